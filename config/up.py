"""`manage.py up`: a whole installation from one command, on servers of its own or on given ones."""

import argparse
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import httpx
import psycopg
from psycopg import sql

from config.catching_up import Progress, read_progress
from config.embedded.bound_process import ProgramMissing, ServerFailed
from config.embedded.postgres import EmbeddedPostgres
from config.embedded.valkey import EmbeddedValkey
from config.env import ONE_FOR_ALL, EnvironmentInvalid, RunningInstallation, data_folder, read_settings
from config.installation import FolderInUse, FolderUnusable, Installation
from config.supervisor import ChildProcess, ProcessFailed, Supervisor
from config.welcome import where_to_look

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "sample" / "companies.jsonl.gz"
DATABASE = "factfold"
DEFAULT_PORT = 8000
_FIGURES_PATIENCE_SECONDS = 300
_WATCH_SECONDS = 0.2
TELL_WHEN_READY = {"api", "worker", "celery"}
_WHICH_AND_WHETHER_EMPTY = """
select
    concat_ws(
        ' ', (select oid from pg_database where datname = current_database()),
        (select extract(epoch from min(applied)) from django_migrations)
    ),
    not exists (select from events.event)
"""
SAMPLE_SKIPPED_SOME = 1
"""The exit code of `ingest` when some filings could not be used and were reported; the rest is in."""


class UpFailed(Exception):
    """The installation could not be started; the message says what to do."""


_TOLD = (UpFailed, FolderInUse, FolderUnusable, ServerFailed, ProgramMissing, ProcessFailed, EnvironmentInvalid)
"""What is told in its own words, which say what to do."""


class _StopAsked(BaseException):
    """Ctrl-C or SIGTERM came: not an error, so nothing may catch it by accident."""


def say(text: str) -> None:
    """This will print a line at once, also into a pipe."""
    print(text, flush=True)


def command(arguments: Sequence[str]) -> int:
    """This will run an installation until Ctrl-C or SIGTERM, and give the exit code."""
    options = _options(arguments)
    installation = Installation(options.data.absolute())
    supervisor = Supervisor(say=say)
    signal.signal(signal.SIGTERM, _ask_to_stop)
    signal.signal(signal.SIGINT, _ask_to_stop)
    code = 0
    try:
        installation.take()
        if options.servers_only:
            _run_servers(installation, supervisor)
        else:
            _run(installation, supervisor, port=options.port, sample=None if options.empty else options.sample)
    except _StopAsked:
        say("stopping ...")
    except _TOLD as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        code = 1
    finally:
        # A second Ctrl-C must not leave half of it running.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        supervisor.stop_all()
        installation.leave()
    if code == 0:
        say("stopped; the data is kept")
    return code


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="manage.py up",
        description="Run a whole installation: servers, API, MCP and workers. Stop it with Ctrl-C.",
        epilog="DATABASE_URL and REDIS_URL name servers to use instead of embedded ones.",
    )
    parser.add_argument("--port", type=int, help=f"the port of the API; 0 chooses a free one (default {DEFAULT_PORT})")
    parser.add_argument(
        "--data",
        type=Path,
        default=data_folder(),
        help="the folder that keeps everything (default .factfold beside manage.py)",
    )
    parser.add_argument(
        "--servers-only",
        action="store_true",
        help="run PostgreSQL and Valkey alone, as they are: for `manage.py dbshell`, or to dump the database",
    )
    loading = parser.add_mutually_exclusive_group()
    loading.add_argument(
        "--sample",
        type=Path,
        default=SAMPLE,
        help="the file to load into an empty database (default: the one in sample/)",
    )
    loading.add_argument("--empty", action="store_true", help="load nothing")
    return parser.parse_args(arguments)


def _ask_to_stop(signal_number: int, frame: FrameType | None) -> None:
    raise _StopAsked


def _run(installation: Installation, supervisor: Supervisor, *, port: int | None, sample: Path | None) -> None:
    listening = _listen(port)
    api_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    environ = _environ(installation, supervisor)
    settings = read_settings(environ)
    os.environ |= environ
    _migrate()
    _announce(installation, environ, api_url=api_url)

    _start_processes(installation, supervisor, listening=listening, environ=environ)
    if sample:
        _load_sample(sample.absolute(), installation, environ=environ)
    _wait_for_figures(supervisor, settings.database_url, settings.redis_url)
    _wait_for_answer(api_url, supervisor)
    say(where_to_look(api_url, folder=installation.folder, needs_key="read" not in settings.anonymous))
    say(f"ready: {api_url}")
    _watch(supervisor)


def _run_servers(installation: Installation, supervisor: Supervisor) -> None:
    environ = _environ(installation, supervisor)
    read_settings(environ)
    _announce(installation, environ, api_url="")
    say("ready: servers only; `manage.py dbshell` reaches PostgreSQL")
    _watch(supervisor)


def _environ(installation: Installation, supervisor: Supervisor) -> dict[str, str]:
    """This will start the servers that are not given, and give the environment of all processes."""
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "FACTFOLD_DATA": str(installation.folder),
        "PYTHONUNBUFFERED": "1",
        "DATABASE_URL": _database(installation, supervisor),
        "REDIS_URL": _redis(installation, supervisor),
    }
    environ.setdefault("FACTFOLD_ANONYMOUS", "true")
    environ.setdefault("FACTFOLD_SECRET_KEY", installation.secret("secret_key"))
    return environ


def _announce(installation: Installation, environ: dict[str, str], *, api_url: str) -> None:
    agreed = {name: environ[name] for name in ONE_FOR_ALL if environ.get(name)}
    installation.announce(RunningInstallation(api_url=api_url, pid=os.getpid(), environ=agreed))


def _listen(port: int | None) -> socket.socket:
    """Binds before anything else is started: a busy port is told at once, and ours cannot be taken meanwhile."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", DEFAULT_PORT if port is None else port))
    except (OSError, OverflowError) as error:
        if port is not None:
            raise UpFailed(f"Port {port} cannot be used ({error}). Choose another one, or --port 0.") from None
        listening.bind(("127.0.0.1", 0))
        say(f"port {DEFAULT_PORT} is busy: using {listening.getsockname()[1]} (choose one with --port)")
    listening.listen(2048)
    return listening


def _database(installation: Installation, supervisor: Supervisor) -> str:
    if given := os.environ.get("DATABASE_URL"):
        say("PostgreSQL: the one DATABASE_URL names")
        return given
    begun = time.monotonic()
    postgres = EmbeddedPostgres(installation.folder / "postgres", password=installation.secret("postgres"))
    _first_time_hint(postgres.folder, "PostgreSQL: making a cluster ...")
    postgres.start()
    supervisor.watch("postgres", postgres)
    try:
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
    except psycopg.Error as error:
        raise UpFailed(
            f"The cluster in {postgres.folder} cannot be used: {str(error).strip()}\n"
            f"Its password is the one in {installation.folder / 'secrets.json'}: put that file back from a copy if it "
            "was removed or changed, or choose another folder with --data."
        ) from error
    say(f"PostgreSQL: ready on port {postgres.port} ({time.monotonic() - begun:.1f} s)")
    return postgres.url(DATABASE)


def _redis(installation: Installation, supervisor: Supervisor) -> str:
    if given := os.environ.get("REDIS_URL"):
        say("Valkey: the server REDIS_URL names")
        return given
    begun = time.monotonic()
    valkey = EmbeddedValkey(installation.folder / "valkey", password=installation.secret("valkey"))
    valkey.start()
    supervisor.watch("valkey", valkey)
    say(f"Valkey: ready on port {valkey.port} ({time.monotonic() - begun:.1f} s)")
    return valkey.url()


def _first_time_hint(folder: Path, text: str) -> None:
    if not folder.exists():
        say(text)


def _migrate() -> None:
    import django
    from django.core.management import CommandError, call_command
    from django.db import Error, connection
    from django.db.migrations.exceptions import InconsistentMigrationHistory

    from config.cli import told
    from projections.bi import ViewsBuiltUpon, ViewsInUse

    django.setup()
    begun = time.monotonic()
    try:
        call_command("migrate", verbosity=0, interactive=False)
        with connection.cursor() as cursor:
            cursor.execute("select count(*) from events.shard_head")
            (shards,) = cursor.fetchone()
    except (CommandError, InconsistentMigrationHistory, ViewsBuiltUpon, ViewsInUse) as error:
        raise UpFailed(f"The database could not be prepared: {told(error)}") from error
    except (Error, psycopg.Error) as error:
        raise UpFailed(
            f"The database could not be prepared: {str(error).strip()}\n"
            "Check that DATABASE_URL names a PostgreSQL 18 that takes connections, "
            "and a user who may create schemas."
        ) from error
    finally:
        connection.close()
    say(f"tables: up to date, {shards} shards ({time.monotonic() - begun:.1f} s)")


def _start_processes(
    installation: Installation, supervisor: Supervisor, *, listening: socket.socket, environ: dict[str, str]
) -> None:
    python = [sys.executable, "-m"]
    descriptor = str(listening.fileno())
    queue = ["celery", "--app", "config.celery", "worker", "--queues", "factfold", "--concurrency", "2"]
    queue += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    manage = [sys.executable, str(ROOT / "manage.py")]
    by_celery = environ.get("FACTFOLD_DOORBELL", "celery") != "sqs"
    commands: dict[str, tuple[list[str], tuple[int, ...]]] = {
        "api": ([*python, "config.serve", descriptor], (listening.fileno(),)),
        "worker": ([*manage, "worker"], ()),
        **({"celery": ([*python, *queue], ())} if by_celery else {"poller": ([*manage, "poller"], ())}),
    }
    begun = time.monotonic()
    started: dict[str, ChildProcess] = {}
    for name, (command_line, descriptors) in commands.items():
        log = installation.logs / f"{name}.log"
        log.unlink(missing_ok=True)
        child = ChildProcess(command_line, log=log, environ=environ, cwd=ROOT, pass_fds=descriptors)
        child.start()
        supervisor.watch(name, child)
        started[name] = child
    for name in started.keys() & TELL_WHEN_READY:
        started[name].wait_until_ready(name=name)
    say(f"processes: {', '.join(started)} are running ({time.monotonic() - begun:.1f} s); logs in {installation.logs}")


def begin_sample(installation: Installation, *, database_url: str) -> bool:
    """
    This will say whether the sample is to be loaded into a database, and note it as begun if so.

    It is where nothing has been recorded yet, and where loading it was begun and has not come to its end.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute(_WHICH_AND_WHETHER_EMPTY).fetchone()
    assert row  # a select without a table gives a row
    database, empty = row
    if not empty and installation.sample_begun() != database:
        return False
    installation.begin_sample(database)
    return True


def _load_sample(sample: Path, installation: Installation, *, environ: dict[str, str]) -> None:
    if not begin_sample(installation, database_url=environ["DATABASE_URL"]):
        return
    say("sample: loading real companies' filings (once) ...")
    begun = time.monotonic()
    # Its progress goes straight to the terminal; it shares our fate as the other children do.
    ingest = ChildProcess(
        [sys.executable, str(ROOT / "manage.py"), "ingest", "sample", str(sample)],
        log=None,
        environ=environ,
        cwd=ROOT,
    )
    ingest.start()
    try:
        code = ingest.process.wait() if ingest.process else 1
    finally:
        ingest.stop()
    if code not in (0, SAMPLE_SKIPPED_SOME):
        raise UpFailed(
            "The sample could not be loaded; the lines above say why. Try again, or start with --empty without it."
        )
    installation.sample_ended()
    say(f"sample: loaded ({time.monotonic() - begun:.1f} s)")


def _wait_for_figures(supervisor: Supervisor, database_url: str, redis_url: str) -> None:
    """Waits until every event is in the tables, the aggregates and Redis, and tells how it goes."""
    begun = time.monotonic()
    told: Progress | None = None
    while True:
        supervisor.restart_dead()
        try:
            progress = read_progress(database_url, redis_url)
        except psycopg.OperationalError:
            # The server died and is being started again, or a given one is away for a moment.
            progress = told or Progress(0, 0, done=False)
        if progress.done:
            if progress.position:
                say(f"figures: up to date at position {progress.position} ({time.monotonic() - begun:.1f} s)")
            return
        if told is None or progress.folded - told.folded >= max(1, progress.position // 10):
            say(f"figures: {progress.folded} of {progress.position} events folded ...")
            told = progress
        if time.monotonic() - begun > _FIGURES_PATIENCE_SECONDS:
            say("figures: still being worked out; `manage.py status` tells how far they are")
            return
        time.sleep(_WATCH_SECONDS)


def _wait_for_answer(api_url: str, supervisor: Supervisor) -> None:
    begun = time.monotonic()
    answer = "no answer"
    while time.monotonic() - begun < 60:
        try:
            response = httpx.get(f"{api_url}/readyz", timeout=5, trust_env=False)
        except httpx.HTTPError as error:
            answer = str(error)
        else:
            if response.status_code == 200:
                return
            answer = f"{response.status_code} {response.text[:500]}"
        supervisor.restart_dead()
        time.sleep(_WATCH_SECONDS)
    raise UpFailed(f"The API does not say that it is ready: {answer}\nIts log is logs/api.log in the data folder.")


def _watch(supervisor: Supervisor) -> None:
    nothing = threading.Event()
    while True:
        nothing.wait(_WATCH_SECONDS)
        supervisor.restart_dead()
