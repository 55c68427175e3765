# Everything a newcomer or an operator types. Each tool lives in its own environment under .tools, made on first use from
# the hashed locks in infra/locks. Nothing is installed outside this folder.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help run down reset redrive test pr format locks bench deploy clean

FIND_PYTHON := sh infra/local/find-python
UV := .tools/uv/bin/uv
PY := .venv/bin/python
export PYTHONPATH := $(CURDIR)
export PYTHONDONTWRITEBYTECODE := 1

help: ## list these commands
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- environments ------------------------------------------------------------------------------------------------
$(UV): infra/locks/uv.txt
	@python=$$($(FIND_PYTHON)) && "$$python" -m venv --clear .tools/uv \
	  && .tools/uv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r infra/locks/uv.txt
	@touch $@

define environment # name of the lock, folder
	@echo "setting up $(2)"
	@python=$$($(FIND_PYTHON)) && $(UV) venv -q --clear --python "$$python" $(2)
	@$(UV) pip install -q --python $(2)/bin/python --require-hashes -r infra/locks/$(1).txt
	@touch $(2)/.ready
endef

.venv/.ready: infra/locks/dev.txt $(UV)
	$(call environment,dev,.venv)
.tools/%/.ready: infra/locks/%.txt $(UV)
	$(call environment,$*,.tools/$*)
.tools/azurite/.ready: infra/local/azurite/package-lock.json .tools/node/.ready
	@echo "setting up .tools/azurite"
	@mkdir -p .tools/azurite && cp infra/local/azurite/package.json infra/local/azurite/package-lock.json infra/local/azurite/.npmrc .tools/azurite/
	@cd .tools/azurite && PATH="$(CURDIR)/.tools/node/bin:$$PATH" npm ci --silent --no-audit --no-fund
	@touch $@

EMULATORS := .tools/ministack/.ready .tools/azurite/.ready

locks: $(UV) ## make the hashed locks anew from pyproject.toml and infra/locks/*.in
	@PATH="$(CURDIR)/.tools/uv/bin:$$PATH" UV_PYTHON="$$($(FIND_PYTHON))" infra/locks/compile
