"""The environment of a process, read once: which servers, which doorbell, how open."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

import msgspec

INSTALLATION_FILE = "installation.json"
DEFAULT_DATA_FOLDER = Path(__file__).parent.parent / ".factfold"
MAX_SHARDS = 1024
DOORBELLS = ("celery", "celery-sqs", "sqs")
"""Celery on the installation's Redis, Celery with an SQS queue as its broker, and our own bells on an SQS queue."""
SERVERS = ("DATABASE_URL", "REDIS_URL")
ONE_FOR_ALL = (
    *SERVERS,
    *("FACTFOLD_SECRET_KEY", "FACTFOLD_ANONYMOUS", "FACTFOLD_DOORBELL", "FACTFOLD_SQS_QUEUE_URL"),
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"),
)
"""What all processes of an installation have to agree in."""
SHARED_COUNTS = "PROMETHEUS_MULTIPROC_DIR"
"""Names a folder in which the processes behind one address count together; the Prometheus library's own variable."""

_ANONYMOUS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("1", "true", "yes", "on"), frozenset({"read", "write"})),
    "read": frozenset({"read"}),
    **dict.fromkeys(("0", "false", "no", "off"), frozenset()),
}


class EnvironmentInvalid(Exception):
    """The environment names no usable installation. Mend each line of the message, then start again."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("The environment is not usable:\n" + "\n".join(f"  - {problem}" for problem in problems))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    What a process of this installation has to know.

    `anonymous` names the scopes for which nobody needs an API key: none, `read`, or `read` and `write`, which is meant
    for installations that listen on loopback only.
    A projection stops once `max_parked_streams` of its streams are parked.
    `aws_endpoint_url` is None for the real AWS; credentials and region are read by boto3 in its usual way.
    Commands are refused while more than `backlog_events` events are committed but not readable, or while one has waited
    for its position longer than `backlog_seconds`; 0 sets no limit. After `stall_seconds` without progress while work
    exists, `/readyz` says so. `worker_metrics_port` is where a worker shows its metrics; 0 for nowhere.
    """

    database_url: str
    redis_url: str
    doorbell: Literal["celery", "celery-sqs", "sqs"]
    sqs_queue_url: str | None
    aws_region: str | None
    aws_endpoint_url: str | None
    shards: int
    anonymous: frozenset[str]
    secret_key: str
    allowed_hosts: tuple[str, ...]
    min_position_wait_ms: int
    max_parked_streams: int
    backlog_events: int
    backlog_seconds: int
    stall_seconds: int
    worker_metrics_host: str
    worker_metrics_port: int
    log: Literal["text", "json"]


class RunningInstallation(msgspec.Struct, frozen=True, kw_only=True):
    """
    What `manage.py up` tells other commands: where its API is (empty where it runs servers only), its process, and its
    values of `ONE_FOR_ALL`.
    """

    api_url: str
    pid: int
    environ: dict[str, str]


def read_installation(folder: Path) -> RunningInstallation | None:
    """This will give what the installation running in `folder` wrote there, or None where none can be read."""
    try:
        return msgspec.json.decode((folder / INSTALLATION_FILE).read_bytes(), type=RunningInstallation)
    except (OSError, msgspec.MsgspecError):
        return None


def data_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """This will name the folder an installation keeps everything in."""
    return Path(environ.get("FACTFOLD_DATA") or DEFAULT_DATA_FOLDER).absolute()


def read_settings(environ: Mapping[str, str]) -> Settings:
    """
    This will read the settings from `environ`.

    What it lacks is that of the installation running in `FACTFOLD_DATA` (default `.factfold` beside manage.py), unless
    it names other servers than those. That anybody may read and write is taken over only by who names no server.

    Raises: EnvironmentInvalid, naming every missing or unusable variable at once.
    """
    folder = data_folder(environ)
    running = read_installation(folder)
    given = {name: value for name, value in environ.items() if value}
    if running and all(given.get(name, running.environ[name]) == running.environ[name] for name in SERVERS):
        given = _taken_over(running, given) | given
    reading = _Reading(given)
    there = (
        f"what runs in {folder} has other servers; --data names it" if running else f"nothing is running in {folder}"
    )
    doorbell = reading.choice("FACTFOLD_DOORBELL", options=DOORBELLS, default="celery")
    anonymous = reading.anonymous("FACTFOLD_ANONYMOUS")
    settings = Settings(
        database_url=reading.url(
            "DATABASE_URL",
            schemes=("postgresql", "postgres"),
            fix=f"set it, or start `python3 manage.py up` ({there})",
        ),
        redis_url=reading.url(
            "REDIS_URL",
            schemes=("redis", "rediss", "unix"),
            fix=f"set it, for example redis://127.0.0.1:6379/0 ({there})",
        ),
        doorbell=cast(Literal["celery", "celery-sqs", "sqs"], doorbell),
        sqs_queue_url=reading.required("FACTFOLD_SQS_QUEUE_URL", f"FACTFOLD_DOORBELL is {doorbell}")
        if doorbell in ("celery-sqs", "sqs")
        else None,
        aws_region=given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION"),
        aws_endpoint_url=given.get("AWS_ENDPOINT_URL_SQS") or given.get("AWS_ENDPOINT_URL"),
        shards=reading.number("FACTFOLD_SHARDS", default=8, least=1, most=MAX_SHARDS),
        anonymous=anonymous,
        secret_key=given.get("FACTFOLD_SECRET_KEY")
        or (
            "anonymous-installation-without-sessions"
            if anonymous
            else reading.required("FACTFOLD_SECRET_KEY", "FACTFOLD_ANONYMOUS is off")
        ),
        allowed_hosts=reading.names("FACTFOLD_ALLOWED_HOSTS", default=("127.0.0.1", "localhost", "[::1]")),
        min_position_wait_ms=reading.number("FACTFOLD_MIN_POSITION_WAIT_MS", default=2000, least=0, most=60_000),
        max_parked_streams=reading.number("FACTFOLD_MAX_PARKED_STREAMS", default=100, least=1, most=1_000_000),
        backlog_events=reading.number("FACTFOLD_BACKLOG_EVENTS", default=20_000, least=0, most=10**9),
        backlog_seconds=reading.number("FACTFOLD_BACKLOG_SECONDS", default=30, least=0, most=86_400),
        stall_seconds=reading.number("FACTFOLD_STALL_SECONDS", default=30, least=1, most=86_400),
        worker_metrics_host=given.get("FACTFOLD_WORKER_METRICS_HOST") or "127.0.0.1",
        worker_metrics_port=reading.number("FACTFOLD_WORKER_METRICS_PORT", default=0, least=0, most=65_535),
        log=cast(Literal["text", "json"], reading.choice("FACTFOLD_LOG", options=("text", "json"), default="text")),
    )
    if reading.problems:
        raise EnvironmentInvalid(reading.problems)
    return settings


def _taken_over(running: RunningInstallation, given: Mapping[str, str]) -> dict[str, str]:
    kept_back = {"FACTFOLD_ANONYMOUS"} if given.keys() & set(SERVERS) else set()
    return {name: value for name, value in running.environ.items() if name not in kept_back}


class _Reading:
    """Reads variables one by one and keeps what is wrong with them, so that all of it can be told at once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def url(self, name: str, *, schemes: tuple[str, ...], fix: str) -> str:
        value = self._environ.get(name)
        if not value:
            self.problems.append(f"{name} is missing: {fix}")
            return ""
        if urlsplit(value).scheme not in schemes:
            self.problems.append(f"{name} has to start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return value

    def required(self, name: str, because: str) -> str:
        value = self._environ.get(name, "")
        if not value:
            self.problems.append(f"{name} is missing: it is needed when {because}")
        return value

    def choice(self, name: str, *, options: tuple[str, ...], default: str) -> str:
        value = self._environ.get(name) or default
        if value not in options:
            self.problems.append(f"{name} is {value!r}; use {' or '.join(options)}")
        return value

    def anonymous(self, name: str) -> frozenset[str]:
        value = (self._environ.get(name) or "false").lower()
        if value not in _ANONYMOUS:
            self.problems.append(f"{name} is {value!r}; use true, read or false")
        return _ANONYMOUS.get(value, frozenset())

    def number(self, name: str, *, default: int, least: int, most: int) -> int:
        text = self._environ.get(name)
        if not text:
            return default
        if not (text.isdecimal() and least <= int(text) <= most):
            self.problems.append(f"{name} is {text!r}; use a whole number from {least} to {most}")
            return default
        return int(text)

    def names(self, name: str, *, default: tuple[str, ...]) -> tuple[str, ...]:
        value = tuple(part.strip() for part in self._environ.get(name, "").split(",") if part.strip())
        return value or default
