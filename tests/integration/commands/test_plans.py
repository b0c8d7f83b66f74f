"""What commands ask by key is found by its index, also in a new database of which the planner knows nothing."""

import re

import psycopg
import pytest

from commands.sql import load_statements

BY_KEY = (
    ("commands.event_log", "append.sql", "lock_streams"),
    ("commands.event_log", "append.sql", "lock_streams"),
    ("commands.event_log", "append.sql", "insert_events"),
    ("commands.event_log", "append.sql", "append_at_version"),
    ("commands.companies", "state.sql", "load_companies"),
    ("commands.companies", "state.sql", "load_acceptances"),
    ("commands.filings", "state.sql", "load_filings"),
    ("commands.filings", "state.sql", "load_contents"),
    ("commands", "dispatch.sql", "last_event_ids"),
    ("commands", "idempotency.sql", "read_key"),
    ("commands", "idempotency.sql", "store_response"),
    ("commands", "together.sql", "what_is_known"),
    ("commands", "together.sql", "write_decided"),
)


def generic_plan(connection: psycopg.Connection, statement: bytes) -> str:
    names = list(dict.fromkeys(re.findall(rb"%\((\w+)\)[bs]", statement)))
    for number, name in enumerate(names, 1):
        statement = re.sub(rb"%%\(%b\)[bs]" % name, b"$%d" % number, statement)
    rows = connection.execute(b"explain (generic_plan) " + statement)
    return "\n".join(line for (line,) in rows)


@pytest.mark.parametrize(("package", "file", "name"), BY_KEY)
def test_no_table_is_read_as_a_whole(connection: psycopg.Connection, package: str, file: str, name: str) -> None:
    plan = generic_plan(connection, load_statements(package, file)[name])

    assert "Index" in plan
    assert "Seq Scan" not in plan
