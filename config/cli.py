"""Which command a command line means, and which installation it is for."""

import argparse
import os
import sys
from collections.abc import Sequence

from config.env import EnvironmentInvalid, data_folder, read_installation

CANNOT_START = 2

_NEEDS_NO_SERVERS = frozenset(
    {
        "help",
        "--help",
        "-h",
        "--version",
        "version",
        "spectacular",
        "asyncapi",
        "figures_doc",
        "build_lambda",
        "make_sample",
        "diffsettings",
    }
)
_TRACED = frozenset({"worker", "poller", "ingest"})
_NOWHERE = {
    "DATABASE_URL": "postgresql://127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "FACTFOLD_ANONYMOUS": "true",
}


def run_command(arguments: Sequence[str]) -> int:
    """
    This will run `up`, `test`, `lint`, `soak` or a Django command, and give the exit code.

    `--data DIR` before or after a Django command's own options names the running installation it is for.
    """
    name, rest = (arguments[0], list(arguments[1:])) if arguments else ("help", [])
    if name == "up":
        from config.up import command

        return command(rest)
    if name == "test":
        from config.checks import run_tests

        return run_tests(rest)
    if name == "lint":
        from config.checks import run_lint

        return run_lint()
    if name == "soak":
        from config.soak.command import command as soak

        return soak(rest)
    return _run_django([name, *rest])


def _run_django(arguments: list[str]) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    arguments, named = _without_data_option(arguments)
    if named:
        os.environ["FACTFOLD_DATA"] = named
    running = read_installation(data_folder())
    if arguments[0] in _NEEDS_NO_SERVERS or "--help" in arguments:
        for variable, value in _NOWHERE.items():
            os.environ.setdefault(variable, value)
    elif running is None and (named or not os.environ.get("DATABASE_URL")):
        print(
            f"error: no installation runs in {data_folder()}. Start it with `python3 manage.py up`, name the folder "
            "of a running one with --data DIR, or set DATABASE_URL and REDIS_URL and leave --data out.",
            file=sys.stderr,
        )
        return CANNOT_START
    elif running and named:
        os.environ |= running.environ
    from django.core.management import execute_from_command_line

    if arguments[0] in _TRACED:
        from config.tracing import start_tracing

        start_tracing(arguments[0])
    try:
        execute_from_command_line(["manage.py", *arguments])
    except Exception as error:
        if (told := _told(error)) is None:
            raise
        print(f"error: {told}", file=sys.stderr)
        return CANNOT_START
    return 0


def _told(error: Exception) -> str | None:
    """What to tell of an error whose cause lies outside the program, and what to do; None for any other."""
    import django.db
    import psycopg
    import redis.exceptions

    from config.observation import NO_TABLES
    from projections.projection import NotMigrated

    known: Sequence[tuple[tuple[type[Exception], ...], str]] = (
        ((EnvironmentInvalid,), "{}"),
        (
            (psycopg.OperationalError, django.db.OperationalError),
            "the database does not answer: {}\nStart PostgreSQL, or correct DATABASE_URL.",
        ),
        (
            (*NO_TABLES, NotMigrated),
            "the database lacks what this version needs: {}\nRun `python3 manage.py migrate`, then this again.",
        ),
        (
            (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError),
            "Redis does not answer: {}\nStart it, or correct REDIS_URL.",
        ),
    )
    return next((text.format(str(error).strip()) for kinds, text in known if isinstance(error, kinds)), None)


def _without_data_option(arguments: list[str]) -> tuple[list[str], str | None]:
    parser = argparse.ArgumentParser(prog="manage.py", add_help=False, allow_abbrev=False)
    parser.add_argument("--data", metavar="DIR")
    options, kept = parser.parse_known_args(arguments)
    return kept or ["help"], options.data
