"""
The `api` process.

`python -m config.serve --host 0.0.0.0 --port 8000` serves on an address of its own, with `--workers 4` in as many
processes, each of which tells Prometheus of all. `manage.py up` hands over a
listening socket instead, so that a restart loses no port: `python -m config.serve DESCRIPTOR`.
"""

import argparse
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from config.env import SHARED_COUNTS
from config.ready import READY_FD

GRACE_SECONDS = 5


def main(arguments: Sequence[str]) -> None:
    """This will serve until SIGTERM; answers under way get a few seconds to end."""
    options = _options(arguments)
    if options.workers > 1:
        _serve_together(options)
        return
    inherited = None if options.descriptor is None else [socket.socket(fileno=options.descriptor)]
    uvicorn.Server(_configuration(options)).run(sockets=inherited)


def _serve_together(options: argparse.Namespace) -> None:
    os.environ.pop(READY_FD, None)  # one that is ready is not all
    with tempfile.TemporaryDirectory(prefix="factfold-counts-") as folder:
        # Read by each process when it starts.
        os.environ.setdefault(SHARED_COUNTS, folder)
        configuration = _configuration(options)
        Multiprocess(configuration, sockets=[configuration.bind_socket()]).run()


def _configuration(options: argparse.Namespace) -> uvicorn.Config:
    return uvicorn.Config(
        "config.asgi:application",
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        host=options.host,
        port=options.port,
        workers=options.workers,
        **_logging(),
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m config.serve", description="Serve the API and MCP.")
    parser.add_argument("descriptor", type=int, nargs="?", help="a listening socket that was handed over")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default 127.0.0.1)")
    parser.add_argument("--workers", type=int, default=1, help="how many processes share the address (default 1)")
    parser.add_argument("--port", type=int, default=8000, help="the port to listen on (default 8000)")
    return parser.parse_args(arguments)


def _logging() -> dict[str, Any]:
    """Where lines are JSON, uvicorn's own go the way of all others."""
    return {"log_config": None} if os.environ.get("FACTFOLD_LOG") == "json" else {}


if __name__ == "__main__":
    main(sys.argv[1:])
