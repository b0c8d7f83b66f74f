"""A whole installation in a folder of its own, as `manage.py up` starts it."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from config.env import RunningInstallation, read_installation

ROOT = Path(__file__).parent.parent
_OTHERS = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
_PATIENCE_SECONDS = 300


@contextmanager
def running_installation(
    folder: Path, *options: str, environ: Mapping[str, str] | None = None
) -> Iterator[RunningInstallation]:
    """This will run an installation that has worked out everything it was started with; `environ` adds settings."""
    own = {name: value for name, value in os.environ.items() if name not in _OTHERS and not name.startswith("FACTFOLD")}
    command = [sys.executable, str(ROOT / "manage.py"), "up", "--data", str(folder), "--port", "0", *options]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**own, **(environ or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    # Whatever happens, nothing is waited for without end.
    alarm = threading.Timer(_PATIENCE_SECONDS, process.terminate)
    alarm.start()
    try:
        assert process.stdout
        said = []
        for line in process.stdout:
            said.append(line)
            if re.match(r"ready: http", line):
                break
        else:
            raise SystemExit("the installation did not start:\n" + "".join(said))
        alarm.cancel()
        # It goes on talking, and must not be stopped by a full pipe.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        running = read_installation(folder)
        assert running, "it is ready, so it has said where it is"
        yield running
    finally:
        alarm.cancel()
        process.terminate()
        process.wait(_PATIENCE_SECONDS)
