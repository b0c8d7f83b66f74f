"""The Lambda package: our packages and the locked ones they need, in one archive."""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "deploy" / "lambda.lock"
HANDLER = "config.lambda_function.handler"
PYTHON = "3.13"
PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
"""Lambda's name of an architecture, and uv's name of what runs there."""

_OURS = ("access", "commands", "config", "projections", "queries")
_OURS_KINDS = frozenset({".py", ".sql", ".lua", ".json"})
_LEFT_OUT = frozenset({"__pycache__", "tests", "embedded"})
_LEFT_OUT_KINDS = frozenset({".mo", ".po", ".pyi", ".c", ".pyx"})
_SAME_TIME = (1980, 1, 1, 0, 0, 0)
"""So that the same content makes the same archive."""


class PackagingFailed(Exception):
    """The package could not be built; the message says what the installer said."""


def build_lambda(out: Path, *, architecture: str = "x86_64") -> int:
    """
    This will write the package for AWS Lambda to `out` and return how many bytes it has.

    The packages come from the package index, by the hashes of `deploy/lambda.lock`, for Lambda's Linux whatever this
    machine is.

    Raises:
        PackagingFailed: they could not be had.
    """
    with tempfile.TemporaryDirectory(prefix="factfold-lambda-") as folder:
        installed = Path(folder)
        _install(installed, platform=PLATFORMS[architecture])
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = out.with_suffix(".unfinished")
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in _files_of(installed):
                _add(archive, file, name=file.relative_to(installed))
            for package in _OURS:
                for file in _files_of(ROOT / package):
                    if file.suffix in _OURS_KINDS:
                        _add(archive, file, name=file.relative_to(ROOT))
        unfinished.replace(out)
    return out.stat().st_size


def uv_program() -> str:
    """This will name the uv of this environment, or else the one on the path."""
    beside = Path(sysconfig.get_path("scripts")) / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise PackagingFailed(f"uv is not installed beside {sys.executable}; run `python3 manage.py` once to get it.")
    return found


def _install(folder: Path, *, platform: str) -> None:
    command = [uv_program(), "pip", "install", "-q", "--target", str(folder), "--require-hashes", "--no-deps"]
    command += ["--only-binary", ":all:", "--python-platform", platform, "--python-version", PYTHON, "-r", str(LOCK)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        raise PackagingFailed(f"The locked packages could not be installed:\n{outcome.stderr.strip()}")


def _files_of(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.suffix not in _LEFT_OUT_KINDS
        and not _LEFT_OUT.intersection(path.relative_to(folder).parts)
    )


def _add(archive: zipfile.ZipFile, file: Path, *, name: Path) -> None:
    entry = zipfile.ZipInfo(name.as_posix(), date_time=_SAME_TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, file.read_bytes())
