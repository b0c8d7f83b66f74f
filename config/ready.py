"""How a process tells the one that started it that it is ready to work."""

import os

READY_FD = "FACTFOLD_READY_FD"
"""Names the file descriptor on which one line is awaited; not set where nobody waits."""


def announce_ready() -> None:
    """This will tell whoever started this process that it is ready, once; without a listener it does nothing."""
    descriptor = os.environ.pop(READY_FD, None)
    if descriptor is not None:
        os.write(int(descriptor), b"ready\n")
        os.close(int(descriptor))
