"""
What every test can ask for.

One PostgreSQL server serves the whole run; each xdist worker gets a database cloned from a migrated template, and a
Valkey of its own. Nothing is started by a run whose tests ask for neither.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from redis import Redis

from config.embedded.postgres import EmbeddedPostgres
from config.embedded.valkey import EmbeddedValkey
from tests.fixtures.clean_database import clean_database
from tests.fixtures.scheduling import InstallationsTogether

ROOT = Path(__file__).parent.parent
TEMPLATE = "factfold_template"
FIXED = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "FACTFOLD_ANONYMOUS": "true",
    "FACTFOLD_DOORBELL": "celery",
    "FACTFOLD_SHARDS": "8",
}


class Servers:
    """The servers of one run (PostgreSQL) and of one worker (Valkey), started when first asked for."""

    def __init__(self, folder: Path, *, worker: str, postgres: EmbeddedPostgres | None, postgres_url: str) -> None:
        self.folder = folder
        self.database = f"factfold_{worker}"
        self.postgres = postgres
        self._postgres_url = postgres_url
        self.valkey = EmbeddedValkey(folder / f"valkey-{worker}", password="test", durable=False)
        self._database_made = False

    def url(self, database: str) -> str:
        return f"{self._postgres_url.rpartition('/')[0]}/{database}"

    def start_postgres(self) -> None:
        """This will start the server and make the template: by whoever owns the server, once."""
        if self.postgres is None or self.postgres.process:
            return
        self.postgres.start()
        self._create(TEMPLATE, template="template0")
        environ = {**os.environ, **FIXED, "DATABASE_URL": self.url(TEMPLATE), "REDIS_URL": "redis://127.0.0.1:1/0"}
        migrate = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, check=True, cwd=ROOT, env=environ)

    def make_database(self) -> str:
        if not self._database_made:
            self.clone(self.database)
            self._database_made = True
        return self.url(self.database)

    def clone(self, database: str) -> str:
        """This will make a migrated database beside this worker's own, and give its address."""
        self.start_postgres()
        self._create(database, template=TEMPLATE)
        return self.url(database)

    def start_valkey(self) -> str:
        if self.valkey.process is None:
            self.valkey.start()
        return self.valkey.url()

    def stop(self) -> None:
        self.valkey.stop()
        if self.postgres:
            self.postgres.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _create(self, database: str, *, template: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {}").format(sql.Identifier(database), sql.Identifier(template))
            )


SERVERS = pytest.StashKey[Servers]()


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what runs in its background deaf to Ctrl-C, and what tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    received: dict[str, str] | None = getattr(config, "workerinput", None)
    if received is None:
        folder = Path(tempfile.mkdtemp(prefix="factfold-tests-"))
        postgres = EmbeddedPostgres(folder / "postgres", password=secrets.token_hex(8), durable=False)
        servers = Servers(folder, worker="main", postgres=postgres, postgres_url=postgres.url())
    else:
        servers = Servers(
            Path(received["factfold_folder"]),
            worker=received["workerid"],
            postgres=None,
            postgres_url=received["factfold_postgres"],
        )
    config.stash[SERVERS] = servers
    if received is None and config.getoption("numprocesses", None):
        # Workers inherit this environment, and pytest-django would read the settings from it before they get their own.
        os.environ.pop("DJANGO_SETTINGS_MODULE", None)
        return
    # Known before the servers run, so that Django's settings can be read at any time.
    os.environ |= {
        **FIXED,
        "DATABASE_URL": servers.url(servers.database),
        "REDIS_URL": servers.valkey.url(),
    }
    os.environ.pop("FACTFOLD_DATA", None)
    import django

    django.setup()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Runs in the xdist controller, once for each worker, before it starts."""
    servers = node.config.stash[SERVERS]  # type: ignore[attr-defined]  # xdist has no annotations
    servers.start_postgres()
    node.workerinput |= {  # type: ignore[attr-defined]  # xdist has no annotations
        "factfold_folder": str(servers.folder),
        "factfold_postgres": servers.url("postgres"),
    }


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return InstallationsTogether(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    if servers := config.stash.get(SERVERS, None):
        servers.stop()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    return pytestconfig.stash[SERVERS]


@pytest.fixture(scope="session")
def database_url(servers: Servers) -> str:
    """The address of this worker's migrated database. Writing tests take `connection` or `connect`, which clean it."""
    return servers.make_database()


@pytest.fixture(scope="session")
def _standing_connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def connection(_standing_connection: psycopg.Connection) -> psycopg.Connection:
    """An autocommit connection to an empty, migrated database."""
    clean_database(_standing_connection)
    return _standing_connection


@pytest.fixture
def connect(connection: psycopg.Connection, database_url: str) -> Iterator[Callable[[], psycopg.Connection]]:
    """Opens further autocommit connections to the database of `connection`, closed after the test."""
    with ExitStack() as opened:

        def opening() -> psycopg.Connection:
            return opened.enter_context(psycopg.connect(make_conninfo(database_url), autocommit=True))

        yield opening


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> str:
    """The address of this worker's own Valkey."""
    return servers.start_valkey()


@pytest.fixture(scope="session")
def _standing_redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def redis(_standing_redis: Redis) -> Redis:
    """A client of an empty Valkey, answering with bytes."""
    _standing_redis.flushall()
    return _standing_redis
