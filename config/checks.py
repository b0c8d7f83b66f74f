"""What CI runs: the tests, and everything that can be checked without running the program."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from config.deploy_checks import deployed_lock_findings, template_findings

ROOT = Path(__file__).parent.parent
PUBLISHED_SCHEMA = ROOT / "docs" / "openapi.json"
_PROGRAMS = Path(sys.executable).parent


def run_tests(arguments: Sequence[str]) -> int:
    """This will run pytest on two or more workers; options given here come after the project's own and win."""
    workers = max(2, min(4, os.cpu_count() or 2))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-n", str(workers), *arguments], cwd=ROOT, check=False
    ).returncode


def run_lint(arguments: Sequence[str]) -> int:
    """This will run every check, print what each found, and give 1 if any found something."""
    argparse.ArgumentParser(
        prog="manage.py lint",
        description="Checks form, types, imports, published documents and locks, and tells what each check found. "
        "Exits with 1 if any found something. The first run installs the tools for deploy/ once.",
    ).parse_args(arguments)
    checks: dict[str, Callable[[], str]] = {
        "ruff check": lambda: _output_of("ruff", "check", "."),
        "ruff format": lambda: _output_of("ruff", "format", "--check", "."),
        "mypy": lambda: _output_of("mypy"),
        "import contracts": lambda: _output_of("lint-imports"),
        "OpenAPI schema": openapi_findings,
        "AsyncAPI document": lambda: _page_findings("asyncapi"),
        "list of metrics": lambda: _page_findings("figures_doc"),
        "lock": lock_findings,
        "SAM template": template_findings,
        "deployed locks": deployed_lock_findings,
    }
    failed = []
    # Most wait for programs of their own; what the types take, the others take together.
    with ThreadPoolExecutor(max_workers=2) as beside:
        running = {name: beside.submit(check) for name, check in checks.items()}
    for name, found in running.items():
        print(f"{name}: ", end="", flush=True)
        findings = found.result()
        print("FAILED" if findings else "ok", flush=True)
        if findings:
            print(findings, flush=True)
            failed.append(name)
    print(f"lint: {'failed: ' + ', '.join(failed) if failed else 'all checks passed'}")
    return 1 if failed else 0


def openapi_findings() -> str:
    """This will say what is wrong with the OpenAPI document, or that the published copy is not up to date."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder, "openapi.json")
        arguments = ["spectacular", "--format", "openapi-json", "--validate", "--fail-on-warn", "--file", str(fresh)]
        outcome = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if outcome.returncode != 0:
            return outcome.stdout + outcome.stderr
        if not PUBLISHED_SCHEMA.exists() or PUBLISHED_SCHEMA.read_text(encoding="utf-8") != fresh.read_text("utf-8"):
            shown = PUBLISHED_SCHEMA.relative_to(ROOT)
            return (
                f"{shown} is not what the code says; write it with\n"
                f"    python3 manage.py spectacular --format openapi-json --file {shown}"
            )
    return ""


def lock_findings() -> str:
    """This will say where the lock names a host, lacks a hash, or lacks a package that requirements.in asks for."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    wanted = (ROOT / "requirements.in").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==", lock, re.MULTILINE))
    asked = set(re.findall(r"^([a-z0-9._-]+)", wanted, re.MULTILINE))
    findings = [f"{package} of requirements.in is not in requirements.lock" for package in sorted(asked - pinned)]
    findings += [f"requirements.lock names a host: {line}" for line in lock.splitlines() if "://" in line]
    for block in re.split(r"^(?=\S)", lock, flags=re.MULTILINE):
        if "==" in block.split("\n")[0] and "--hash=sha256:" not in block:
            findings.append(f"requirements.lock has no hash for {block.split()[0]}")
    return "\n".join(findings)


def _page_findings(command: str) -> str:
    """What a command that writes a page says of a page that is not up to date."""
    outcome = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), command, "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if outcome.returncode == 0 else (outcome.stdout + outcome.stderr).strip()


def _output_of(program: str, *arguments: str) -> str:
    outcome = subprocess.run([_PROGRAMS / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if outcome.returncode == 0 else (outcome.stdout + outcome.stderr).strip()
