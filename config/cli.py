"""Which command a command line means, and which installation it is for."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from config.env import ONE_FOR_ALL, EnvironmentInvalid, data_folder, read_installation

CANNOT_START = 2

_HELP = frozenset({"help", "--help", "-h"})
_NEEDS_NO_SERVERS = _HELP | frozenset(
    {
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


class _Own(NamedTuple):
    """A command that is no Django command: the function that runs it, and what it does."""

    module: str
    function: str
    does: str


_OWN = {
    "up": _Own("config.up", "command", "run a whole installation until Ctrl-C: servers, API, MCP, workers"),
    "test": _Own(
        "config.checks", "run_tests", "run the tests, or with -m slow those that take long; takes what pytest takes"
    ),
    "lint": _Own("config.checks", "run_lint", "check everything that can be checked without running it"),
    "soak": _Own("config.soak.command", "command", "run the pipeline on servers of its own while things are killed"),
}


def run_command(arguments: Sequence[str]) -> int:
    """
    This will run `up`, `test`, `lint`, `soak` or a Django command, and give the exit code.

    `--data DIR` before or after a Django command's own options names the running installation it is for.
    """
    name, rest = (arguments[0], list(arguments[1:])) if arguments else ("help", [])
    if own := _OWN.get(name):
        code: int = getattr(import_module(own.module), own.function)(rest)
        return code
    if name in _HELP and not rest:
        print("Commands of Factfold, each with --help:")
        print("\n".join(f"    {name:<5} {own.does}" for name, own in _OWN.items()))
        print("\nCommands for a running installation, by the part they belong to, and Django's own:")
    return _run_django([name, *rest])


def _run_django(arguments: list[str]) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    arguments, named = _without_data_option(arguments)
    if named:
        os.environ["FACTFOLD_DATA"] = named
    running = read_installation(data_folder())
    has_servers = running is not None or (not named and bool(os.environ.get("DATABASE_URL")))
    needs_servers = arguments[0] not in _NEEDS_NO_SERVERS and "--help" not in arguments
    if not (needs_servers and has_servers):
        for variable, value in _NOWHERE.items():
            os.environ[variable] = os.environ.get(variable) or value
    elif running and named:
        for variable in ONE_FOR_ALL:
            os.environ.pop(variable, None)
        os.environ |= running.environ
    if needs_servers and not has_servers and _exists(arguments[0]):
        print(
            f"error: no installation runs in {data_folder()}. Start it with `python3 manage.py up`, name the folder "
            "of a running one with --data DIR, or set DATABASE_URL and REDIS_URL and leave --data out.",
            file=sys.stderr,
        )
        return CANNOT_START
    from django.core.management import execute_from_command_line

    if arguments[0] in _TRACED:
        from config.tracing import start_tracing

        start_tracing(arguments[0])
    if arguments[0] == "dbshell":
        _bring_psql()
    try:
        execute_from_command_line(["manage.py", *arguments])
    except Exception as error:
        if "--traceback" in arguments or (reason := told(error)) is None:
            raise
        print(f"error: {reason}", file=sys.stderr)
        return CANNOT_START
    return 0


def _exists(command: str) -> bool:
    import django
    from django.core.management import get_commands

    django.setup()
    return command in get_commands()


def _bring_psql() -> None:
    """This will let `dbshell` find the psql that comes with the embedded server, where the machine has none."""
    from config.embedded.bound_process import ProgramMissing
    from config.embedded.postgres import postgres_programs

    try:
        os.environ["PATH"] = os.pathsep.join(filter(None, (os.environ.get("PATH"), str(postgres_programs()))))
    except ProgramMissing:
        pass  # Django says what it lacks.


def told(error: Exception) -> str | None:
    """What to tell of an error whose cause lies outside the program, and what to do; None for any other."""
    import django.db
    import psycopg
    import redis.exceptions
    from django.core.management.base import CommandError
    from django.db.migrations.exceptions import InconsistentMigrationHistory

    from config.observation import NO_TABLES
    from projections.bi import ViewsBuiltUpon, ViewsInUse
    from projections.projection import NotMigrated

    known: Sequence[tuple[tuple[type[Exception], ...], str]] = (
        ((EnvironmentInvalid, CommandError, ViewsBuiltUpon, ViewsInUse), "{}"),
        (
            (InconsistentMigrationHistory,),
            "{}\nThe table django_migrations is not as `migrate` left it: put it back from a backup, or name another "
            "database.",
        ),
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
        (
            (psycopg.Error, django.db.Error),
            "the database refuses: {}\nMend what it names; --traceback shows where it was.",
        ),
    )
    return next((text.format(str(error).strip()) for kinds, text in known if isinstance(error, kinds)), None)


def _without_data_option(arguments: list[str]) -> tuple[list[str], str | None]:
    parser = argparse.ArgumentParser(prog="manage.py", add_help=False, allow_abbrev=False)
    parser.add_argument("--data", metavar="DIR")
    options, kept = parser.parse_known_args(arguments)
    return kept or ["help"], options.data
