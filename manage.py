#!/usr/bin/env python3
"""
The one way in: `python3 manage.py up`, `test`, `lint`, and every other command of the project.

Needs nothing but a Python 3.8 or newer to begin with: it finds (or tells how to get) Python 3.12 or newer, makes
`.venv` from the hashed lock once, and goes on in there. Set FACTFOLD_NO_BOOTSTRAP=1 to use the interpreter at hand,
for example in an image that has the packages installed.
"""

import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
VENV_PYTHON = os.path.join(VENV, "bin", "python")
LOCK = os.path.join(ROOT, "requirements.lock")
STAMP = os.path.join(VENV, ".installed-lock")
LEAST_PYTHON = (3, 12)
PREFERRED_VERSIONS = ("3.13", "3.14", "3.12", "3.15")

HOW_TO_GET_PYTHON = """Factfold needs Python {0}.{1} or newer, and this machine has none. Get one, for example by
    Debian, Ubuntu:  apt install python3.13 python3.13-venv
    macOS:           brew install python@3.13
    anywhere:        install uv, which brings its own Python; this script will find it
and run this command again."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def usable(python):
    """True for an interpreter that is new enough and can make virtual environments."""
    question = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    try:
        # Outside the project folder, so that a version file here does not turn a shim into an error.
        done = subprocess.run(
            [python, "-c", question], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30, cwd=os.sep
        )
        return done.returncode == 0 and tuple(int(part) for part in done.stdout.split()) >= LEAST_PYTHON
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False


def find_python():
    candidates = [sys.executable]
    for version in PREFERRED_VERSIONS:
        candidates.append(shutil.which("python" + version))
        pattern = os.path.expanduser("~/.pyenv/versions/" + version + ".*/bin/python")
        candidates.extend(sorted(glob.glob(pattern), reverse=True))
    candidates.extend(shutil.which(name) for name in ("python3", "python"))
    return next((python for python in candidates if python and usable(python)), None)


def run(*command):
    return subprocess.run(command, cwd=ROOT, stdout=sys.stderr).returncode == 0


def make_venv(uv):
    python = find_python()
    if not python and not uv:
        sys.exit(HOW_TO_GET_PYTHON.format(*LEAST_PYTHON))
    say("Making .venv (once) with " + (python or "a Python that uv brings") + " ...")
    if python and run(python, "-m", "venv", "--clear", VENV):
        return
    if uv and run(uv, "venv", "-q", "--clear", "--seed", "--python", python or ">=%d.%d" % LEAST_PYTHON, VENV):
        return
    sys.exit("The folder .venv could not be made; the lines above say why. Mend that and run this again.")


def locked_uv():
    """The lines of the lock that pin uv itself, so that the installer comes by its hash too."""
    with open(LOCK, encoding="utf-8") as file:
        found = re.search(r"^uv==.*?(?=^\S|\Z)", file.read(), re.MULTILINE | re.DOTALL)
    return found.group(0) if found else None


def install(uv):
    say("Installing the locked packages (once; about 110 MB) ...")
    pip = (VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--require-hashes")
    if not uv:
        uv = os.path.join(VENV, "bin", "uv")
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as only_uv:
            only_uv.write(locked_uv() or "")
            only_uv.flush()
            run(*pip, "-q", "-r", only_uv.name)
    if os.path.exists(uv) and run(uv, "pip", "sync", "-q", "--python", VENV_PYTHON, "--require-hashes", LOCK):
        return
    say("uv could not install them; trying pip, which takes about half a minute ...")
    if not run(*pip, "-q", "--no-deps", "-r", LOCK):
        sys.exit(
            "The packages could not be installed; the lines above say why. "
            "A package index has to be reachable the first time. Then run this again."
        )


@contextmanager
def alone():
    """Holds a lock, so that two first starts at once do not build the same folder."""
    import fcntl

    with open(VENV + ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Another start is making .venv; waiting for it ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def installed(wanted):
    try:
        with open(STAMP, encoding="ascii") as file:
            return file.read() == wanted and os.path.exists(VENV_PYTHON)
    except OSError:
        return False


def prepare_venv(install=install):
    if os.path.islink(VENV) and os.path.exists(VENV_PYTHON):
        return  # a link to an environment somebody else looks after
    with open(LOCK, "rb") as file:
        wanted = hashlib.sha256(file.read()).hexdigest()
    if installed(wanted):
        return
    with alone():
        if installed(wanted):
            return
        uv = shutil.which("uv")
        if not usable(VENV_PYTHON):
            make_venv(uv)
        install(uv)
        with open(STAMP + ".new", "w", encoding="ascii") as file:
            file.write(wanted)
        os.replace(STAMP + ".new", STAMP)


def keep_compiled_modules():
    """
    Lets this process and its children keep compiled modules, inside .venv.

    An installation is several processes; compiling everything anew in each takes longer than their work, also for
    those who switch Python's own cache off to keep source folders clean.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ.setdefault("PYTHONPYCACHEPREFIX", os.path.join(VENV, ".pycache"))


def main():
    if os.name == "nt":
        sys.exit("Factfold runs on Linux, and has not been tried on macOS; on Windows use it inside WSL.")
    if not os.environ.get("FACTFOLD_NO_BOOTSTRAP"):
        prepare_venv()
        keep_compiled_modules()
        if os.path.realpath(sys.prefix) != os.path.realpath(VENV):
            os.execv(VENV_PYTHON, [VENV_PYTHON, os.path.abspath(__file__)] + sys.argv[1:])
    from config.cli import run_command

    sys.exit(run_command(sys.argv[1:]))


if __name__ == "__main__":
    main()
