"""`manage.py soak`: the whole pipeline under fire, for as long as one likes."""

import argparse
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from config.embedded.postgres import EmbeddedPostgres
from config.embedded.sqs import CREDENTIALS, EmulatedSqs
from config.embedded.valkey import EmbeddedValkey
from config.supervisor import Supervised

if TYPE_CHECKING:
    from config.soak.doors import DoorName
    from config.soak.run import Run

DOORS: Mapping[str, Sequence["DoorName"]] = {
    "celery": ["celery"],
    "celery-sqs": ["celery-sqs"],
    "sqs": ["sqs"],
    "lambda": ["lambda"],
    "all": ["celery", "celery-sqs", "sqs", "lambda"],
}

_ROUNDS_OF_AN_INSTALLATION = 10
"""After so many rounds the next ones are played on a fresh one, so that comparing everything stays quick."""


def command(arguments: Sequence[str]) -> int:
    """This will play rounds until the time is over, and give 1 where anything was not as it must be."""
    options = _options(arguments)
    began = time.monotonic()
    until = began + options.minutes * 60
    folder = Path(tempfile.mkdtemp(prefix="factfold-soak-"))
    _say(f"seed {options.seed}, {options.minutes:g} minutes, in {folder}")
    password = secrets.token_hex(8)
    postgres, valkey = _servers(folder / "installation-1", password=password, ports=(0, 0))
    ports = postgres.port, valkey.port
    queue = None if options.door == "celery" else EmulatedSqs(folder / "queue")
    _point_to(folder, postgres, valkey)
    # Settings are read once, so what reads them is imported only now that the servers have addresses: as they start.
    Thread(target=import_module, args=["config.soak.run"]).start()
    run: Run | None = None
    played = 0
    failed: Exception | None = None
    while failed is None and (played == 0 or (time.monotonic() < until and played < options.rounds)):
        here = folder / f"installation-{played + 1}"
        postgres, valkey = _servers(here, password=password, ports=ports)
        with ExitStack() as running:
            started: list[Supervised] = [*([queue] if queue else []), postgres, valkey]
            for server in started:
                running.callback(server.stop)
                server.start()
            from config.soak import run as playing
            from config.soak.installation import Servers

            doors = DOORS[options.door]
            plan = playing.Plan(seed=options.seed, seconds=options.seconds, faults=options.faults, doors=doors)
            run = run or playing.Run(plan, say=_say)
            rounds = min(_ROUNDS_OF_AN_INSTALLATION, options.rounds - played)
            try:
                run.play(here, Servers(postgres, valkey, queue), rounds=rounds, until=until)
            except playing.FAILURES as failure:
                failed = failure
        played = run.rounds
        if failed is None and not options.keep:
            shutil.rmtree(here)
    if failed is not None or run is None:
        print(f"FAILED in round {played + 1} of seed {options.seed}: {failed}", file=sys.stderr)
        print(f"Everything is kept in {folder}.", file=sys.stderr)
        return 1
    for door, total in run.totals.items() if len(run.totals) > 1 else ():
        _say(f"at {door}: {_figures(total)}, 0 differences")
    _say(f"OK  {_figures(playing.summed(list(run.totals.values())))}, 0 differences, {time.monotonic() - began:.0f} s")
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _servers(folder: Path, *, password: str, ports: tuple[int, int]) -> tuple[EmbeddedPostgres, EmbeddedValkey]:
    """Durable ones; those of one run follow each other at the same addresses."""
    return (
        EmbeddedPostgres(folder / "postgres", password=password, port=ports[0]),
        EmbeddedValkey(folder / "valkey", password=password, port=ports[1]),
    )


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="manage.py soak",
        description="Runs senders, the api, workers and Celery, the SQS poller or the Lambda function on PostgreSQL, "
        "Valkey and an emulator of SQS of its own while a seeded schedule kills any of them, cuts sessions, empties "
        "Redis and the queue, and loses, doubles, delays and reorders messages. After each round everything must come "
        "right by itself, and no process may have ended that nobody killed. Exits with 1 at the first difference.",
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="begin no round after this long (default 1)")
    parser.add_argument("--rounds", type=int, default=sys.maxsize, help="end after so many rounds")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long work goes on in a round (default 2)")
    parser.add_argument("--faults", type=int, default=6, help="how much goes wrong in a round (default 6)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="draw the same faults again")
    parser.add_argument(
        "--door", choices=DOORS, default="all", help="who answers doorbells: one kind, or each in turn (default all)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the data and logs also of a good end")
    return parser.parse_args(arguments)


def _point_to(folder: Path, postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
    os.environ |= {
        **CREDENTIALS,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": postgres.url(),
        "REDIS_URL": valkey.url(),
        "FACTFOLD_DATA": str(folder),
        "FACTFOLD_ANONYMOUS": "true",
        "FACTFOLD_DOORBELL": "celery",
        "FACTFOLD_SHARDS": "8",
    }
    os.environ.pop("FACTFOLD_WORKER_METRICS_PORT", None)
    import django

    django.setup()


def _figures(totals: object) -> str:
    import msgspec

    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in msgspec.to_builtins(totals).items())
