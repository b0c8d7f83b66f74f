"""Whether what stands in `deploy/` could be deployed: the SAM template, and the locks."""

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from config.packaging import PackagingFailed, uv_program

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
TEMPLATE = DEPLOY / "template.yaml"
_LOCK = DEPLOY / "checks.lock"
_PINNED = re.compile(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", re.MULTILINE)


def template_findings(template: Path = TEMPLATE) -> str:
    """
    This will say what is wrong with a SAM template: first by its transformation, then by cfn-lint on the outcome.

    The two tools live in an environment of their own, made once from `deploy/checks.lock`.
    """
    try:
        programs = _environment()
    except PackagingFailed as error:
        return str(error)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "template.json")
        environ = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1"}
        for command in (
            [programs / "python", DEPLOY / "transform.py", template, plain],
            [programs / "cfn-lint", plain],
        ):
            outcome = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
            if outcome.returncode != 0:
                return (outcome.stdout + outcome.stderr).strip()
    return ""


def deployed_lock_findings() -> str:
    """This will say where a lock of what is deployed differs from `requirements.lock`, names a host or lacks a hash."""
    ours = dict(_PINNED.findall((ROOT / "requirements.lock").read_text(encoding="utf-8")))
    findings: list[str] = []
    for lock in (DEPLOY / "image.lock", DEPLOY / "lambda.lock", _LOCK):
        text = lock.read_text(encoding="utf-8")
        name = lock.relative_to(ROOT)
        findings += [f"{name} names a host: {line}" for line in text.splitlines() if "://" in line]
        for block in re.split(r"^(?=\S)", text, flags=re.MULTILINE):
            if "==" in block.split("\n")[0] and "--hash=sha256:" not in block:
                findings.append(f"{name} has no hash for {block.split()[0]}")
        if lock != _LOCK:
            findings += [
                f"{name} has {package} {version}, requirements.lock {ours.get(package, 'none')}: make it anew with"
                f" uv pip compile {name.with_suffix('.in')} -c requirements.lock (deploy/README.md)"
                for package, version in _PINNED.findall(text)
                if ours.get(package) != version
            ]
    return "\n".join(findings)


def _environment() -> Path:
    """The folder of the tools' programs; they are installed when the lock has changed."""
    folder = Path(sys.prefix, "deploy-checks")
    stamp = folder / "installed"
    wanted = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    with Path(sys.prefix, "deploy-checks.lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text(encoding="ascii") == wanted):
            uv = uv_program()
            python = str(folder / "bin" / "python")
            _run(uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder))
            _run(uv, "pip", "sync", "-q", "--python", python, "--require-hashes", str(_LOCK))
            stamp.write_text(wanted, encoding="ascii")
    return folder / "bin"


def _run(*command: str) -> None:
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        raise PackagingFailed(f"The tools of deploy/checks.lock could not be installed:\n{outcome.stderr.strip()}")
