# Everything a newcomer or an operator types. Each tool lives in its own environment under .tools, made on first use from
# the hashed locks in infra/locks. Nothing is installed outside this folder.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help run down reset redrive test coverage pr format bench deploy locks clean

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
.tools/oidc/.ready: infra/local/oidc/package-lock.json .tools/node/.ready
	@echo "setting up .tools/oidc"
	@mkdir -p .tools/oidc && cp infra/local/oidc/package.json infra/local/oidc/package-lock.json infra/local/oidc/.npmrc .tools/oidc/
	@cd .tools/oidc && PATH="$(CURDIR)/.tools/node/bin:$$PATH" npm ci --silent --no-audit --no-fund
	@touch $@

EMULATORS := .tools/ministack/.ready .tools/azurite/.ready
SAM := .tools/sam/bin/sam
STACK := .venv/.ready $(EMULATORS) .tools/sam/.ready
on = $(filter-out 0 no false,$(1))

# ---- the local stack ---------------------------------------------------------------------------------------------
run: $(STACK) ## bring the whole system up here, drop a file (FILE=path), follow it; DETACH=1 leaves it up
	@exec $(PY) -m infra.local up $(if $(FILE),--file "$$FILE") $(if $(call on,$(DETACH)),--detach)

down: .venv/.ready ## stop it; what it stored stays
	@exec $(PY) -m infra.local down

reset: .venv/.ready ## stop it and forget what it stored
	@exec $(PY) -m infra.local reset

redrive: .venv/.ready ## send the jobs that were given up round again
	@exec $(PY) -m infra.local redrive

# Two processes, each with files of its own; JOBS=0 for one and in order, to look into a failure.
JOBS ?= 2
SIDE_BY_SIDE = -n $(JOBS) --dist loadscope --no-loadscope-reorder

# ---- quality -----------------------------------------------------------------------------------------------------
test: $(STACK) .tools/oidc/.ready ## all tests; TESTS=tests/unit some, FARSHORE_LONG=1 the long ones too
	@$(PY) -m pytest -q $(SIDE_BY_SIDE) $(TESTS)

coverage: $(STACK) .tools/oidc/.ready ## all tests, with branch coverage
	@$(PY) -m pytest -q $(SIDE_BY_SIDE) --cov --cov-report=term:skip-covered --cov-fail-under=97

pr: $(STACK) .tools/checkov/.ready ## every gate: format, lint, types, layers, template, tests
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-west-1 $(SAM) validate --lint
	.tools/sam/bin/cfn-lint template.yaml
	.tools/checkov/bin/checkov -f template.yaml --framework cloudformation --skip-download --quiet --compact
	@$(MAKE) --no-print-directory coverage

format: .venv/.ready ## format the code and mend what can be mended
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

bench: $(STACK) ## measure against rclone, on this computer
	@$(PY) -m tests.bench

# ---- delivery ----------------------------------------------------------------------------------------------------
# Answers that were kept are offered again: an unanswered ExistingBucket would have a deployment turn to a new, empty one.
ANSWERS := $(wildcard samconfig.local.toml)
ARCHITECTURE ?= $(or $(if $(ANSWERS),$(shell sed -n 's/.*Architecture=[^a-z]*\([a-z0-9_]*\).*/\1/p' $(ANSWERS))),arm64)
deploy: .tools/sam/.ready $(UV) ## deploy to AWS, asking what it needs to know (ARCHITECTURE=arm64 or x86_64)
	ARCHITECTURE=$(ARCHITECTURE) $(SAM) build --parameter-overrides Architecture=$(ARCHITECTURE)
	$(SAM) deploy --guided --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset \
	  $(if $(ANSWERS),--config-file "$(CURDIR)/$(ANSWERS)",--parameter-overrides Architecture=$(ARCHITECTURE))

locks: $(UV) ## make the hashed locks anew from pyproject.toml and infra/locks/*.in
	@PATH="$(CURDIR)/.tools/uv/bin:$$PATH" UV_PYTHON="$$($(FIND_PYTHON))" infra/locks/compile

clean: ## remove what was built; environments and the stack's data stay
	rm -rf .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*
