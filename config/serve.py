"""The `api` process of `manage.py up`: serves on a listening socket it inherits, so that a restart loses no port."""

import os
import socket
import sys
from typing import Any

import uvicorn

GRACE_SECONDS = 5


def main(descriptor: int) -> None:
    """This will serve until SIGTERM; answers under way get a few seconds to end."""
    configuration = uvicorn.Config(
        "config.asgi:application",
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        **_logging(),
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    uvicorn.Server(configuration).run(sockets=[socket.socket(fileno=descriptor)])


def _logging() -> dict[str, Any]:
    """Where lines are JSON, uvicorn's own go the way of all others."""
    return {"log_config": None} if os.environ.get("FACTFOLD_LOG") == "json" else {}


if __name__ == "__main__":
    main(int(sys.argv[1]))
