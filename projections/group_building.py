"""
Working out all groups of a version that is being built.

# Note [metric by metric]
Nobody reads the version and nothing is folded into it meanwhile. So what companies stand for by one metric, the groups
of that, and the word that the metric is done commit together, and the metrics one by one, in any order and by as many
processes as there are: whatever stops them, they go on there. The server may be at work for a process that was killed,
and hold its metric, for as long as a statement takes: whoever finds no other metric waits for what becomes of it.
"""

from collections.abc import Callable

import msgspec
import psycopg

from commands.sql import load_statements
from projections.aggregates import count_filled, place_everybody, work_out_metric
from projections.processes import APPLICATION_NAME, do_tasks
from projections.projection import Version
from queries.metrics.catalogue import load_catalogue

_SQL = load_statements("projections", "group_building.sql")


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
    """How many metrics are worked out, of how many; none of none before it has begun."""
    done, metrics = connection.execute(_SQL["progress"], version.key).fetchone() or (0, 0)
    return int(done), int(metrics)


def build_groups(task: GroupTask, *, processes: int, told: Callable[[], None]) -> None:
    """
    This will work out what is left of the metrics of a version, in so many processes.

    Raises:
        ProcessEnded: a process was killed, or failed.
    """
    do_tasks([task] * processes, work_out_metrics, processes=processes, told=told)
    with _connected(task) as connection, connection.transaction():
        task.version.enter(connection)
        count_filled(connection)


def work_out_metrics(task: GroupTask, *, told: Callable[[], None]) -> None:
    """This will take metric after metric until all are done."""
    with _connected(task) as connection:
        # A lost commit is a metric to be worked out again.
        connection.execute("set synchronous_commit = off")
        while _work_out_next(connection, task.version):
            told()


def _work_out_next(connection: psycopg.Connection, version: Version) -> bool:
    with connection.transaction():
        taken = connection.execute(_SQL["take"], version.key).fetchone()
        if taken is None:
            connection.execute(_SQL["wait"], version.key)
            taken = connection.execute(_SQL["take"], version.key).fetchone()
        if taken is None:
            return False
        version.enter(connection)
        work_out_metric(connection, load_catalogue().by_key()[taken[0]])
        return True


def _connected(task: GroupTask) -> psycopg.Connection:
    return psycopg.connect(task.database_url, autocommit=True, application_name=APPLICATION_NAME)
