"""Packs one function: our code and, for its platform, the wheels that its lock names. No compiler or container needed.

Run from the repository's root, by `sam build` through infra/package/Makefile: `python infra/package/assemble.py LogicalId
folder`. Standard library only. The platform comes from the environment: ARCHITECTURE and PYTHON_VERSION.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

LOCKS = {
    "PlanFunction": "worker",
    "ReplicateFunction": "worker",
    "SweepFunction": "worker",
    "NotifyFunction": "worker",
    "ApiFunction": "api",
    "ConnectFunction": "connect",
    "RefreshFunction": "connect",
    "DeliverFunction": "connect",
}
PLATFORMS = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
HERE = Path("infra/package")
KEPT = Path(".aws-sam/wheels")
UV = Path(".tools/uv/bin/uv")
CODE = ("functions/__init__.py", "functions/aws", "shared")


def assemble(function: str, folder: Path) -> None:
    """Fills ``folder`` with what Lambda unpacks for ``function``."""
    architecture = os.environ.get("ARCHITECTURE", "arm64")
    # The local stack runs functions on MiniStack's interpreter.
    python = ".tools/ministack/bin/python" if architecture == "host" else sys.executable
    version = _version(python) if architecture == "host" else os.environ.get("PYTHON_VERSION", "3.13")
    platform = (
        [] if architecture == "host" else ["--python-platform", PLATFORMS[architecture], "--python-version", version]
    )
    wheels = _wheels(Path(f"infra/locks/{LOCKS[function]}.txt"), f"{architecture}-{version}", python, platform)
    shutil.copytree(wheels, folder, dirs_exist_ok=True)
    ignored = shutil.ignore_patterns("__pycache__")
    for name in CODE:
        source, target = Path(name), folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copy2(source, target)
    if _version(python) == version:
        _compile(python, folder, "functions", "shared")


def _wheels(lock: Path, kind: str, python: str, platform: list[str]) -> Path:
    """What a lock names, for one platform: installed once and kept, for all functions and later builds."""
    made_of = b"".join(file.read_bytes() for file in (lock, HERE / "services.txt", HERE / "assemble.py"))
    kept = KEPT / f"{lock.stem}-{kind}-{sha256(made_of).hexdigest()[:12]}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"{lock.stem}-{kind}.lock").open("w") as turn:  # SAM builds functions side by side
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not kept.exists():
            for outdated in KEPT.glob(f"{lock.stem}-{kind}-*"):
                shutil.rmtree(outdated)
            draft = kept.with_name(f"{kept.name}.draft")
            _install(lock, draft, python, platform)
            if _version(python) == kind.rpartition("-")[2]:
                _compile(python, draft, ".")
            draft.rename(kept)
    return kept


def _install(lock: Path, folder: Path, python: str, platform: list[str]) -> None:
    if not UV.exists():
        subprocess.run(["make", "--no-print-directory", "-f", "Makefile", str(UV)], check=True)
    strict = ["--only-binary", ":all:", "--no-deps", "--require-hashes"]
    command = [str(UV), "pip", "install", "-q", "--python", python, "--target", str(folder), *strict, *platform]
    subprocess.run([*command, "-r", str(lock)], check=True)
    shutil.rmtree(folder / "bin", ignore_errors=True)
    (folder / ".lock").unlink(missing_ok=True)
    # botocore carries the API descriptions of 400 services, two thirds of the package; a function needs those it calls.
    needed = (HERE / "services.txt").read_text().split()
    for service in (folder / "botocore/data").iterdir():
        if service.is_dir() and service.name not in needed:
            shutil.rmtree(service)


def _compile(python: str, folder: Path, *within: str) -> None:
    """Bytecode halves a cold start. It is bound to nothing, since archives lose time stamps; another minor version of Python
    ignores it, so it is made by the same one or not at all. It names files as Lambda does and not where they were built, so
    that functions of one lock have the same package to the byte.
    """
    paths = ["-s", str(folder.resolve()), "-p", "/var/task"]
    names = [str((folder / name).resolve()) for name in within]
    command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", *paths, *names]
    subprocess.run(command, check=True)


def _version(python: str) -> str:
    tell = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", tell], check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    try:
        assemble(sys.argv[1], Path(sys.argv[2]))
    except subprocess.CalledProcessError as failed:  # it has said why
        sys.exit(f"{failed.cmd[0]} failed; {sys.argv[1]} is not packed")
