"""How `manage.py status` tells what Redis holds."""

import io
import json
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from redis import Redis

from projections import status
from projections.redis_views import follow
from tests.fixtures.figures import write_figures

KINDS = ("aggregates", "sets", "answers")


@pytest.fixture
def filled(connection: psycopg.Connection, redis: Redis) -> Redis:
    """A Redis that holds aggregates, a set with its groups, an answer, and what is not for readers."""
    write_figures(connection)
    follow(connection, redis)
    epoch = int(redis.get("{ff}:epoch") or 0)
    rank = f"{{ff}}:{epoch}:rank:v1:revenue:all:CY2023"
    redis.zadd(rank, {f"all\0{number:060d}": 0 for number in range(2_000)})
    redis.hset(f"{rank}:groups", "all", "x" * 500)
    redis.set("answers:{ff}:0123", "x" * 50_000)
    redis.set("celery", "x" * 200_000)
    return redis


def told(*options: str) -> str:
    out = io.StringIO()
    call_command("status", *options, stdout=out)
    return out.getvalue()


class TestRedis:
    def test_tells_what_each_kind_of_keys_takes_and_may_take(self, filled: Redis) -> None:
        memory: dict[str, Any] = json.loads(told("--json"))["redis"]["memory"]

        taken = {
            kind: sum(filled.memory_usage(key) or 0 for key in filled.scan_iter(form))
            for kind, form in zip(KINDS, ("{ff}:*:agg:*", "{ff}:*:rank:*", "answers:*"), strict=True)
        }
        assert {kind: memory[kind]["used_bytes"] for kind in KINDS} == taken
        assert min(taken.values()) > 0
        assert [memory[kind]["budget_bytes"] for kind in KINDS] == [6 * 5 << 20, 256 << 20, 64 << 20]

    def test_says_which_is_over_its_budget(self, filled: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
        within = told()
        monkeypatch.setattr(status, "ANSWERS_BYTES", 50_000)
        over = told()

        assert "OVER" not in within
        assert [line.split(maxsplit=4)[4] for line in over.splitlines() if "OVER" in line] == [
            "kept answers; OVER BUDGET"
        ]

    def test_says_nothing_of_a_redis_that_holds_nothing(self, connection: psycopg.Connection, redis: Redis) -> None:
        assert "redis       empty" in told()
        assert json.loads(told("--json"))["redis"]["memory"]["aggregates"]["used_bytes"] == 0
