"""Every company stands in a shard that is folded, on a real database."""

import dataclasses
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.management.base import CommandError
from pytest_django import Settings

from commands.dispatch import dispatch
from commands.event_log.sequence import sequence_pending
from commands.messages import Command
from commands.together import dispatch_together
from commands.working_set import Request
from projections.sweeper import lagging_shards
from tests.fixtures.filings import NOW, RegisterCompanyFactory

OPERATIONS = Path(__file__).parent.parent.parent.parent / "docs" / "operations.md"
MIGRATION = import_module("commands.migrations.0004_streams_stand_in_shards")
STRAY = "insert into events.stream (stream, version, shard) values ('company-1', 0, 11)"


def alone(connection: psycopg.Connection, command: Command) -> None:
    dispatch(connection, command, now=NOW)


def together(connection: psycopg.Connection, command: Command) -> None:
    dispatch_together(connection, lambda: [Request(command=command)], now=lambda: NOW)


@pytest.mark.parametrize("way_in", [alone, together])
def test_new_companies_stand_where_they_are_folded_whatever_number_of_shards_a_process_is_told(
    connection: psycopg.Connection, settings: Settings, way_in: Callable[[psycopg.Connection, Command], None]
) -> None:
    settings.FACTFOLD = dataclasses.replace(settings.FACTFOLD, shards=1024)
    for cik in range(1, 21):
        way_in(connection, RegisterCompanyFactory.build(cik=cik))
    while sequence_pending(connection):
        pass

    waiting_to_be_folded = lagging_shards(connection)

    assert sum(waiting_to_be_folded.values()) == 20
    assert len(waiting_to_be_folded) > 4


def test_nothing_can_stand_in_a_shard_nobody_folds(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute(STRAY)


def test_an_upgrade_tells_of_companies_nobody_folds_until_their_shards_are_opened(
    connection: psycopg.Connection,
) -> None:
    editor: Any = SimpleNamespace(connection=connection)
    (opening,) = re.findall(r"```sql\n(.*?)```", OPERATIONS.read_text(encoding="utf-8"), re.DOTALL)
    with connection.transaction(force_rollback=True):
        connection.execute("alter table events.stream drop constraint stream_shard_fkey")
        connection.execute(STRAY)
        connection.execute("insert into events.shard_head (shard, shard_seq, position) values (11, 1, 1)")
        with pytest.raises(CommandError, match="nobody folds"):
            MIGRATION.refuse_streams_nobody_folds(apps, editor)

        connection.execute(opening)
        MIGRATION.refuse_streams_nobody_folds(apps, editor)
        connection.execute(MIGRATION.REFER_TO_SHARDS)

        assert list(lagging_shards(connection)) == [11]
        rows = connection.execute("select shard from projections.checkpoint order by shard").fetchall()
        assert rows == [(shard,) for shard in range(12)]
