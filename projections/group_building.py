"""
Working out all groups of a version that is being built.

# Note [metric by metric]
Nobody reads the version and nothing is folded into it meanwhile. So what companies stand for by a few metrics, the
groups of that, and the word that they are done commit together, and the metrics one after the other, in any order and
by as many processes as there are: whatever stops them, they go on there.
"""

from collections.abc import Callable

import msgspec
import psycopg

from commands.sql import load_statements
from projections.aggregates import count_filled, place_everybody, work_out_metrics
from projections.processes import APPLICATION_NAME, do_tasks
from projections.projection import Version
from queries.metrics.catalogue import load_catalogue

_SQL = load_statements("projections", "group_building.sql")

METRICS_AT_ONCE = 8
"""Values may lie as they came: whoever looks for those of one metric may pass all pages of the table."""


class GroupTask(msgspec.Struct, frozen=True, kw_only=True):
    """The metrics of a version that nobody else is at."""

    database_url: str
    version: Version


def begin_groups(connection: psycopg.Connection, version: Version) -> None:
    """This will put every company into its groups and write down which metrics are to be worked out."""
    with connection.transaction():
        version.enter(connection)
        place_everybody(connection)
        metrics = [metric.key for metric in load_catalogue().metrics]
        connection.execute(_SQL["begin"], {**version.key, "metrics": metrics})


def groups_done(connection: psycopg.Connection, version: Version) -> tuple[int, int]:
    """How many metrics are worked out, of how many; none of none before it has begun, and where nobody has any."""
    done, metrics = connection.execute(_SQL["progress"], version.key).fetchone() or (0, 0)
    return int(done), int(metrics)


def build_groups(task: GroupTask, *, processes: int, told: Callable[[], None]) -> None:
    """
    This will work out what is left of the metrics of a version, in so many processes.

    Raises:
        ProcessEnded: a process was killed, or failed.
    """
    do_tasks([task] * processes, do_group_task, processes=processes, told=told)
    with _connected(task) as connection, connection.transaction():
        task.version.enter(connection)
        count_filled(connection)


def do_group_task(task: GroupTask, *, told: Callable[[], None]) -> None:
    """This will take metrics until none is left."""
    with _connected(task) as connection:
        # A lost commit is metrics to be worked out again.
        connection.execute("set synchronous_commit = off")
        while _work_out_next(connection, task.version):
            told()


def _work_out_next(connection: psycopg.Connection, version: Version) -> bool:
    with connection.transaction():
        taken = connection.execute(_SQL["take"], {**version.key, "at_once": METRICS_AT_ONCE}).fetchall()
        if not taken:
            return False
        version.enter(connection)
        by_key = load_catalogue().by_key()
        work_out_metrics(connection, [by_key[key] for (key,) in taken])
        return True


def _connected(task: GroupTask) -> psycopg.Connection:
    return psycopg.connect(task.database_url, autocommit=True, application_name=APPLICATION_NAME)
