"""
A new version of a projection, written from the log beside the live one, compared with it, and put in its place.

# Note [where two versions meet]
Projectors are kept from the live version, for moments, by holding its checkpoints: the new version, which never goes
beyond the live one, is folded to just there and its groups are worked out; only then is the snapshot for the
comparison taken, or the switch made. The comparison itself runs in that snapshot while the live version goes on.

# Note [nobody is left inside]
Who reads or refreshes asks which version is live and opens its tables in one transaction, without a lock between the
two. So a version that was replaced is dropped only once every transaction has ended that began before it was looked
for: later ones find its successor. A projector asks in a transaction before; it cannot take a checkpoint that is gone.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg import IsolationLevel, sql

from commands.sql import load_statements
from projections.aggregates import is_stale, refresh
from projections.bi import ViewsBuiltUpon, ViewsInUse, show
from projections.catalog import PROJECTIONS
from projections.comparison import TableDifference, columns_of, compare_versions
from projections.group_building import GroupTask, begin_groups, build_groups, groups_done
from projections.parking import is_paused, parked_streams
from projections.processes import APPLICATION_NAME, do_tasks
from projections.projection import Version, live_version, versions
from projections.projector import MAX_EVENTS, follow_version
from projections.rules import is_of_other_rules
from projections.shard_building import ShardTask, fold_shard
from projections.untold import read_untold, tell

_SQL = load_statements("projections", "rebuild.sql")

_ALONE_TIMEOUT = "15s"
"""The server notices within this time that a rebuild which was killed has gone."""

_CLOSE_ENOUGH_EVENTS = 500
_TOLD_EVERY_SECONDS = 1.0
_TOLD_LESS_OFTEN = 20
"""A rebuild of an hour tells its progress every few minutes."""

_REFRESHED_ELSEWHERE_SECONDS = 0.05
_STILL_INSIDE_SECONDS = 0.05

Tell = Callable[[str], None]
Clock = Callable[[], datetime]


class RebuildRefused(Exception):
    """The rebuild cannot go on; the message says why and what to do."""


class VersionsDiffer(RebuildRefused):
    """The rebuilt tables are not the live ones. `differences` says where."""

    def __init__(self, differences: Sequence[TableDifference], *, parked: int) -> None:
        self.differences = differences
        hint = f" The live version has {parked} parked streams: unpark them first." if parked else ""
        super().__init__(
            f"{differences[0]}.{hint} Nothing was switched. Where a change of the rules means this, "
            "run it again with --accept-differences; --abandon drops what was built."
        )


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """A switch that was made: which version is live now, and in what its tables differed from those before it."""

    version: int
    replaced: int
    differences: tuple[TableDifference, ...]


class Rebuild:
    """
    One run of the command: the connections it works on, and how.

    Folds in so many `processes`, or in this one if that is 1. `park` sets aside what cannot be folded, as the live
    version does; without it the first such event ends the rebuild.
    """

    def __init__(
        self,
        database_url: str,
        *,
        projection: str,
        clock: Clock,
        tell: Tell = lambda text: None,
        processes: int = 1,
        park: bool = False,
        batch_events: int = MAX_EVENTS,
    ) -> None:
        self._database_url = database_url
        self._projection = PROJECTIONS[projection]
        self._clock = clock
        self._tell = tell
        self._processes = processes
        self._park = park
        self._batch_events = batch_events

    def run(self, *, accept_differences: bool = False) -> Rebuilt:
        """
        This will build a new version, or go on building the one begun, and put it in the live one's place.

        Raises:
            EventUnfoldable: an event cannot be folded, and parking was not asked for.
            VersionsDiffer: the tables are not those of the live version, and that was not to be accepted.
            RebuildRefused: another rebuild is at work, too much is parked, or another release began this one.
        """
        with self._connected() as connection:
            version = self._building(connection) or self._begin(connection)
            self._fold_streams(connection, version)
            self._complete_tables(connection, version)
            self._approach(connection, version)
            differences = self._compare(connection, version)
            if differences and not accept_differences:
                live = live_version(connection, version.name).version
                parked = sum(row.version == live for row in parked_streams(connection))
                raise VersionsDiffer(differences, parked=parked)
            return self._switch(connection, version, differences, alike=not differences)

    def roll_back(self) -> Rebuilt:
        """
        This will bring the version that was live last up to date and put it in the live one's place.

        Raises:
            RebuildRefused: there is none, or another rebuild is at work.
        """
        self._park = True
        with self._connected() as connection:
            retired = [found for found in versions(connection, self._projection.name) if found.state == "retired"]
            if not retired:
                raise RebuildRefused("no version is kept to go back to")
            version = max(retired, key=lambda found: found.generation)
            self._approach(connection, version)
            return self._switch(connection, version, [], alike=False)

    def drop_retired(self) -> list[int]:
        """This will drop every version that was replaced, once nobody can be reading it, and tell their numbers."""
        return self._drop("retired")

    def abandon(self) -> list[int]:
        """This will drop a version that is being built and tell its number."""
        return self._drop("building")

    def _drop(self, state: str) -> list[int]:
        with self._connected() as connection:
            found = [version for version in versions(connection, self._projection.name) if version.state == state]
            if found:
                self._outlast_transactions(connection)
            for version in found:
                with connection.transaction():
                    for name in ("forget_checkpoints", "forget_parked", "forget_projection"):
                        connection.execute(_SQL[name], version.key)
                    connection.execute(
                        sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(version.schema))
                    )
            return [version.version for version in found]

    def _outlast_transactions(self, connection: psycopg.Connection) -> None:
        """See Note [nobody is left inside]."""
        (inside,) = _row(connection, "under_way")
        if inside:
            self._tell(f"waiting for {len(inside)} transactions that may still read what is to be dropped")
        while inside:
            time.sleep(_STILL_INSIDE_SECONDS)
            (inside,) = _row(connection, "still_under_way", {"transactions": inside})

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        """A connection that no other rebuild of the projection has; it ends by itself when this process does."""
        name = self._projection.name
        with psycopg.connect(self._database_url, autocommit=True, application_name=APPLICATION_NAME) as connection:
            connection.execute(sql.SQL("set lock_timeout = {}").format(sql.Literal(_ALONE_TIMEOUT)))
            try:
                connection.execute(_SQL["alone"], {"name": name})
            except psycopg.errors.LockNotAvailable as error:
                raise RebuildRefused(f"another rebuild of {name} is at work") from error
            connection.execute("reset lock_timeout")
            yield connection

    def _building(self, connection: psycopg.Connection) -> Version | None:
        for version in versions(connection, self._projection.name):
            if version.state == "building":
                if is_of_other_rules(connection, self._projection, version):
                    raise RebuildRefused(
                        f"{version.schema} was begun by other rules than this release's; drop it with --abandon, "
                        "then begin again"
                    )
                self._tell(f"going on with {version.schema}")
                return version
        return None

    def _begin(self, connection: psycopg.Connection) -> Version:
        name = self._projection.name
        with connection.transaction():
            live = live_version(connection, name)
            (number,) = _row(connection, "begin_version", {"name": name, "rules": self._projection.rules})
            version = Version(name=name, version=number, state="building", generation=0)
            connection.execute(sql.SQL("create schema {}").format(sql.Identifier(version.schema)))
            version.enter(connection)
            connection.execute(self._projection.tables)
            for statement in ("begin_checkpoints", "begin_building"):
                connection.execute(_SQL[statement], {**version.key, "live": live.version})
        self._tell(f"building {version.schema} beside {live.schema}")
        return version

    def _fold_streams(self, connection: psycopg.Connection, version: Version) -> None:
        shards = [shard for (shard,) in connection.execute(_SQL["unfinished_shards"], version.key)]
        if shards:
            pace = _Pace("folding", "events", self._tell, lambda: _row(connection, "progress", version.key))
            tasks = [self._task(version, shard) for shard in shards]
            do_tasks(tasks, fold_shard, processes=self._processes, told=pace.tell)
            pace.tell(last=True)

    def _complete_tables(self, connection: psycopg.Connection, version: Version) -> None:
        with connection.transaction():
            version.enter(connection)
            done, metrics = groups_done(connection, version)
            if not metrics:
                self._tell("indexes and statistics")
                connection.execute(self._projection.indexes)
                for table in sorted(columns_of(connection, version)):
                    connection.execute(sql.SQL("analyze {}").format(sql.Identifier(table)))
                begin_groups(connection, version)
                done, metrics = groups_done(connection, version)
        if done == metrics:
            return
        pace = _Pace("aggregates", "metrics", self._tell, lambda: groups_done(connection, version))
        task = GroupTask(database_url=self._database_url, version=version)
        build_groups(task, processes=self._processes, told=pace.tell)
        pace.tell(last=True)

    def _approach(self, connection: psycopg.Connection, version: Version) -> None:
        """Follow the log until little is left to fold while the live version is held, and work out the groups."""
        before = None
        while True:
            gaps = [found for found in connection.execute(_SQL["gaps"], version.key) if found[2] > 0]
            behind = sum(gap for _, _, gap in gaps)
            # Where rounds no longer help, commands come in as fast as they are folded: the rest has to be held.
            if behind <= _CLOSE_ENOUGH_EVENTS or (before is not None and behind > before / 2):
                break
            before = behind
            self._tell(f"following the log: {behind:,} events behind")
            tasks = [self._task(version, shard, up_to=up_to) for shard, up_to, _ in gaps]
            do_tasks(tasks, fold_shard, processes=self._processes, told=lambda: None)
        self._refresh(connection, version)

    def _compare(self, connection: psycopg.Connection, version: Version) -> list[TableDifference]:
        with (
            psycopg.connect(self._database_url, autocommit=True) as beside,
            psycopg.connect(self._database_url) as reading,
        ):
            reading.isolation_level = IsolationLevel.REPEATABLE_READ
            with self._meeting(connection, beside, version) as live:
                self._refresh(beside, live)
                reading.execute("select 1")  # takes the snapshot
            self._tell(f"comparing {version.schema} with {live.schema}")
            return list(compare_versions(reading, self._projection, live=live, rebuilt=version))

    def _switch(
        self, connection: psycopg.Connection, version: Version, differences: Sequence[TableDifference], *, alike: bool
    ) -> Rebuilt:
        self._approach(connection, version)
        if is_paused(sum(row.version == version.version for row in parked_streams(connection))):
            raise RebuildRefused(f"too many streams are parked in {version.schema}; see `manage.py parked`")
        with psycopg.connect(self._database_url, autocommit=True) as beside, connection.transaction():
            try:
                show(connection, version)
            except (ViewsBuiltUpon, ViewsInUse) as error:
                raise RebuildRefused(str(error)) from error
            with self._meeting(connection, beside, version) as live:
                _hand_over_freshness(connection, live=live, heir=version)
                _hand_over_changes(connection, live=live, heir=version, replaced_at=None if alike else self._clock())
                connection.execute(_SQL["retire"], version.key)
                connection.execute(_SQL["go_live"], version.key)
        self._tell(f"{version.schema} is live; {live.schema} is kept")
        return Rebuilt(version=version.version, replaced=live.version, differences=tuple(differences))

    @contextmanager
    def _meeting(self, holder: psycopg.Connection, beside: psycopg.Connection, version: Version) -> Iterator[Version]:
        """See Note [where two versions meet]. Gives the live version, held while the block runs."""
        with holder.transaction():
            live = live_version(holder, version.name)
            for shard, reached in holder.execute(_SQL["hold_checkpoints"], live.key).fetchall():
                follow_version(beside, version=version, shard=shard, up_to=reached, park=self._park)
            self._refresh(beside, version)
            yield live

    def _refresh(self, connection: psycopg.Connection, version: Version) -> None:
        while True:
            refresh(connection, now=self._clock(), version=version)
            if not is_stale(connection, version=version):
                return
            time.sleep(_REFRESHED_ELSEWHERE_SECONDS)

    def _task(self, version: Version, shard: int, *, up_to: int | None = None) -> ShardTask:
        return ShardTask(
            database_url=self._database_url,
            version=version,
            shard=shard,
            up_to=up_to,
            park=self._park,
            batch_events=self._batch_events,
        )


class _Pace:
    """How fast something goes, told now and then. `progress` says how many are done, of how many."""

    def __init__(self, doing: str, counted: str, tell: Tell, progress: Callable[[], tuple[int, int]]) -> None:
        self._doing = doing
        self._counted = counted
        self._tell = tell
        self._progress = progress
        self._began = self._told = time.monotonic()
        self._at_first, self._total = progress()

    def tell(self, *, last: bool = False) -> None:
        """This will tell how far it is, if the last time is long enough ago."""
        now = time.monotonic()
        if not last and now - self._told < max(_TOLD_EVERY_SECONDS, (now - self._began) / _TOLD_LESS_OFTEN):
            return
        self._told = now
        done, _ = self._progress()
        rate = float(done - self._at_first) / max(now - self._began, 1e-9)
        left = "" if last or not rate else f", about {float(self._total - done) / rate:,.0f} s left"
        self._tell(f"{self._doing}: {done:,} of {self._total:,} {self._counted}, {rate:,.1f} a second{left}")


def _hand_over_freshness(connection: psycopg.Connection, *, live: Version, heir: Version) -> None:
    """
    Let the count of refreshes go on from the live version's, every fragment of either version changed by the last.

    So Redis, which follows that count, gets all that the live version ever wrote replaced, at once.
    """
    live.enter(connection)
    seq, position, fresh_at, lag_ms = _row(connection, "lock_freshness")
    fragments = connection.execute(_SQL["fragments"]).fetchall()
    heir.enter(connection)
    (reached,) = _row(
        connection,
        "continue_freshness",
        {"seq": seq, "position": position, "fresh_at": fresh_at, "lag_ms": lag_ms},
    )
    connection.execute(_SQL["change_own"], {"seq": reached})
    names = ("metric", "group_by", "period")
    columns = {name: [fragment[index] for fragment in fragments] for index, name in enumerate(names)}
    connection.execute(_SQL["change_others"], {"seq": reached, **columns})


def _hand_over_changes(
    connection: psycopg.Connection, *, live: Version, heir: Version, replaced_at: datetime | None
) -> None:
    """Let readers be told what the live version had still to tell, and that figures were replaced where they were."""
    live.enter(connection)
    untold = read_untold(connection, live.key)
    heir.enter(connection)
    tell(connection, untold)
    if replaced_at is not None:
        connection.execute(_SQL["tell_replacement"], {"at": replaced_at})


def _row(connection: psycopg.Connection, statement: str, parameters: dict[str, Any] | None = None) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(_SQL[statement], parameters).fetchone()
    if row is None:
        raise RebuildRefused(f"the projection is not whole: nothing found by {statement}")
    return row
