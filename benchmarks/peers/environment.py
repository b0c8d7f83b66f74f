"""Where the packages we are measured against are installed: away from our own."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LOCK = ROOT / "benchmarks" / "requirements.lock"
FOLDER = ROOT / "build" / "peers"


def peer_python() -> str:
    """This will return the interpreter that has the peers of the lock, installing them at the first call."""
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / ".installed-lock"
    if not stamp.exists() or stamp.read_bytes() != LOCK.read_bytes():
        shutil.rmtree(FOLDER, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
        install = ["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement", str(LOCK)]
        subprocess.run([str(python), "-m", "pip", *install], check=True)
        stamp.write_bytes(LOCK.read_bytes())
    return str(python)
