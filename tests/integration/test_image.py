"""What the image holds is all its processes need, also for what they load only once they run."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import distributions
from pathlib import Path

import httpx
import psycopg
import pytest
import yaml
from redis import Redis

from config.embedded.bound_process import free_port
from config.embedded.sqs import CREDENTIALS
from config.supervisor import ChildProcess
from tests.fixtures.emulated_aws import running_emulator
from tests.fixtures.waiting import wait_until

ROOT = Path(__file__).parent.parent.parent
IMAGE_LOCK = ROOT / "deploy" / "image.lock"
SERVICES = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))["services"]
COMPANY = {"cik": 9_999_999_001, "name": "Held by the Image Inc", "sic": "3571", "country": "US", "tickers": ["HELD"]}
NOT_RUNG = """
select count(*) from events.publication join events.shard_head using (shard)
where publication.shard_seq < shard_head.shard_seq
"""


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `deploy/image.lock` names of the packages of this environment, and nothing else."""
    folder = tmp_path_factory.mktemp("image")
    pinned = set(re.findall(r"^([a-z0-9._-]+)==", IMAGE_LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    for distribution in distributions():
        if re.sub(r"[-_.]+", "-", distribution.name).lower() not in pinned:
            continue
        for file in distribution.files or ():
            if ".." not in file.parts:  # programs lie beside the libraries
                link = folder / file
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(distribution.locate_file(file))  # type: ignore[arg-type]  # a path, for what is installed
    return folder


@pytest.fixture
def environ(
    held: Path, connection: psycopg.Connection, redis: Redis, database_url: str, redis_url: str
) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PYTHONPATH": str(held),
        "FACTFOLD_NO_BOOTSTRAP": "1",
    }


@contextmanager
def running(
    commands: dict[str, list[str]], *, environ: dict[str, str], logs: Path
) -> Iterator[dict[str, ChildProcess]]:
    """The image's processes, each in an interpreter that sees no packages (-S) but those of PYTHONPATH."""
    with ExitStack() as stack:
        started: dict[str, ChildProcess] = {}
        for name, command in commands.items():
            arguments = command[1:] if command[0] == "python" else ["-m", *command]
            child = ChildProcess(
                [sys.executable, "-S", *arguments], log=logs / f"{name}.log", environ=environ, cwd=ROOT
            )
            child.start()
            stack.callback(child.stop)
            started[name] = child
        yield started


class TestTheImage:
    def test_holds_what_celery_reaches_its_brokers_by(self, environ: dict[str, str]) -> None:
        loading = "import config.celery_sqs; from config.celery import app; print(app.connection().transport)"

        outcome = subprocess.run(
            [sys.executable, "-S", "-c", loading], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )

        assert "kombu.transport.redis" in outcome.stdout, outcome.stderr

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("doorbell", "answering"), [("celery", "celery"), ("celery-sqs", "celery"), ("sqs", "poller")]
    )
    def test_carries_a_command_to_the_readers_with_nothing_but_what_it_holds(
        self, connection: psycopg.Connection, environ: dict[str, str], tmp_path: Path, doorbell: str, answering: str
    ) -> None:
        port = free_port()
        commands = {
            "api": ["python", "-m", "config.serve", "--port", str(port)],
            "worker": SERVICES["worker"]["command"],
            answering: SERVICES[answering]["command"],
        }
        with ExitStack() as stack:
            environ["FACTFOLD_DOORBELL"] = doorbell
            if doorbell != "celery":
                emulator = stack.enter_context(running_emulator())
                queue = {"FACTFOLD_SQS_QUEUE_URL": emulator.make_queue(), "AWS_ENDPOINT_URL": emulator.url}
                environ |= queue | CREDENTIALS
            processes = stack.enter_context(running(commands, environ=environ, logs=tmp_path))
            for name, process in processes.items():
                if name != "poller":
                    process.wait_until_ready(name=name)
            client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30))

            accepted = client.post("/v1/commands/RegisterCompany", json=COMPANY)

            assert accepted.status_code == 202, accepted.text
            asked = {"min_position": accepted.json()["token"]}
            wait_until(lambda: client.get("/v1/companies/HELD", params=asked).is_success)
            wait_until(lambda: connection.execute(NOT_RUNG).fetchone() == (0,))
            ended = {name for name, one in processes.items() if one.process is None or one.process.poll() is not None}
            assert ended == set()
