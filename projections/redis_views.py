"""
The group aggregates in Redis, as ready-to-send bytes.

A projection of `group_aggregate` with a version of its own, `seq`. Whatever happens to Redis, the tables fill it again.
It holds the calendar years and the instants at their ends, which most readers ask for, and keeps to its share of
`queries/redis_budget.py` by that: see docs/operations.md. Quarters and trailing twelve months are read from the table.

Keys, all in one slot: `{ff}:epoch` (the live one), `{ff}:epochs` (the last one begun), and for the epoch E
`{ff}:E:seq`, `{ff}:E:meta`, `{ff}:E:agg:METRIC:GROUP_BY:PERIOD`, and while it is filled `{ff}:E:count`.

# Note [Redis never goes back]
Redis is asked how far it is *before* the snapshot of the tables is taken: the tables are then at least as far, unless
they were themselves restored to an earlier state. What changed after refresh `base` is written only where at least
`base` is held, in the epoch that was asked: a fail-over that lost its tail falls short of `base`, and FLUSHALL leaves
no epoch. A new epoch has a number no epoch had before, so that a slow writer of an old one is refused; it is pointed
to only while what was found at first still stands and every fragment counted is there.
`tests/models/test_redis_views.py` tries all interleavings, and those of each rule left out.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import batched, groupby
from typing import Any, NamedTuple, cast

import msgspec
import psycopg
from psycopg import IsolationLevel
from psycopg.rows import DictRow, dict_row
from redis import Redis

from commands.sql import load_statements
from projections.projection import NotMigrated, live_version
from queries.read_models.aggregate_fragment import StoredAggregate, join_rows, public_row, render_row

_SQL = load_statements("projections", "redis_views.sql")
_LUA = load_statements("projections", "redis_views.lua")

PREFIX = "{ff}"
EPOCH_KEY = f"{PREFIX}:epoch"
EPOCHS_KEY = f"{PREFIX}:epochs"

MAX_CHANGES_IN_PLACE = 2_000
"""More changed fragments than this are written as a new epoch, in pieces, instead of in one script."""

_LOCK = 0x72_65_64_69_73
_PIECE = 500
_TRIES = 5


def fragment_key(epoch: int, metric: str, group_by: str, period: str) -> str:
    """The key of one fragment."""
    return f"{PREFIX}:{epoch}:agg:{metric}:{group_by}:{period}"


def seq_key(epoch: int) -> str:
    """The key of the refresh an epoch has reached."""
    return f"{PREFIX}:{epoch}:seq"


def meta_key(epoch: int) -> str:
    """The key of what an answer from this epoch says about its freshness."""
    return f"{PREFIX}:{epoch}:meta"


def count_key(epoch: int) -> str:
    """The key of how many fragments of an epoch have been written, while it is being filled."""
    return f"{PREFIX}:{epoch}:count"


def number_of(raw: Any) -> int | None:
    """The number a text of Redis is; None where it is none, whoever wrote it, or is not there."""
    try:
        return None if raw is None else int(raw)
    except ValueError:
        return None


class _Held(NamedTuple):
    """
    What Redis says it holds: the live epoch, the refresh that epoch has reached, and what it tells of freshness.

    `found` are the texts of the first two: what is no number counts for nothing, and is replaced all the same.
    """

    epoch: int | None
    seq: int | None
    meta: bytes | None
    found: tuple[bytes, bytes]


_decode = msgspec.json.Decoder(StoredAggregate).decode
_decode_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Labelled(msgspec.Struct):
    group: str


_decode_labels = msgspec.json.Decoder(list[_Labelled]).decode

Fragment = tuple[str, str, str]
"""(metric, group_by, period)."""


class _FragmentLost(Exception):
    """Redis lacks a group that did not change; it is to be filled anew."""


class _Step(NamedTuple):
    """How many fragments were written, and whether to look again."""

    written: int
    again: bool


def follow(connection: psycopg.Connection, redis: Redis) -> int:
    """
    This will bring Redis to the state of the aggregate tables and count the fragments written.

    Returns 0 when nothing is new. A Redis that lost data, or is ahead of the tables, is loaded anew by one worker
    at a time; changes in place need no lock. See Note [Redis never goes back].
    """
    written = 0
    for _ in range(_TRIES):
        held = _ask(redis)
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        try:
            with connection.transaction():
                live_version(connection, "figures").enter(connection)
                step = _follow(connection, redis, held)
        finally:
            connection.isolation_level = None
        written += step.written
        if not step.again:
            break
    return written


def _ask(redis: Redis) -> _Held:
    pointer = cast("bytes | None", redis.get(EPOCH_KEY))
    epoch = number_of(pointer)
    if epoch is None:
        return _Held(None, None, None, found=(pointer or b"", b""))
    seq, meta = cast("list[bytes | None]", redis.mget(seq_key(epoch), meta_key(epoch)))
    return _Held(epoch, number_of(seq), meta, found=(pointer or b"", seq or b""))


def _follow(connection: psycopg.Connection, redis: Redis, held: _Held) -> _Step:
    with connection.cursor(row_factory=dict_row) as cursor:
        freshness = cursor.execute(_SQL["freshness"]).fetchone()
        if freshness is None:
            raise NotMigrated("the figures' freshness row is missing")
        if held.epoch is None or held.seq is None or held.seq > freshness["seq"]:
            return _load_epoch(cursor, redis, freshness, held)
        if held.seq == freshness["seq"]:
            # The tables may have been restored and have come to the same number another way.
            if held.meta != freshness_text(freshness).encode():
                return _load_epoch(cursor, redis, freshness, held)
            return _Step(0, again=False)
        changes = cursor.execute(_SQL["count_changes"], {"after": held.seq}).fetchone()
        if changes is not None and changes["count"] > MAX_CHANGES_IN_PLACE:
            return _load_epoch(cursor, redis, freshness, held)
        try:
            fragments = _changed_fragments(cursor, redis, epoch=held.epoch, after=held.seq)
        except _FragmentLost:
            return _load_epoch(cursor, redis, freshness, held)
        return _change_in_place(redis, freshness, fragments, epoch=held.epoch, base=held.seq)


def _load_epoch(cursor: psycopg.Cursor[DictRow], redis: Redis, freshness: Mapping[str, Any], held: _Held) -> _Step:
    """Fill a new epoch out of readers' sight, then point to it; whoever was turned away meanwhile is looked after."""
    lock = cursor.execute(_SQL["try_lock"], {"key": _LOCK}).fetchone()
    if lock is None or not lock["locked"]:
        return _Step(0, again=False)
    epoch = int(_run(redis, "begin_epoch", (EPOCHS_KEY,), ()))
    count = 0
    for fragments in _all_fragments(cursor, epoch=epoch):
        _run(redis, "fill_epoch", (count_key(epoch), *fragments), list(fragments.values()))
        count += len(fragments)
    _run(
        redis,
        "switch_epoch",
        (EPOCH_KEY, seq_key(held.epoch or 0), count_key(epoch), seq_key(epoch), meta_key(epoch)),
        (*held.found, epoch, count, freshness["seq"], freshness_text(freshness)),
    )
    _drop_dead_epochs(redis, upto=epoch)
    return _Step(count, again=True)


def _change_in_place(
    redis: Redis, freshness: Mapping[str, Any], fragments: Mapping[str, bytes], *, epoch: int, base: int
) -> _Step:
    written = _run(
        redis,
        "change_in_place",
        (EPOCH_KEY, seq_key(epoch), meta_key(epoch), *fragments),
        (epoch, base, freshness["seq"], freshness_text(freshness), *fragments.values()),
    )
    return _Step(len(fragments), again=False) if written else _Step(0, again=True)


def _run(redis: Redis, name: str, keys: Sequence[str | bytes], arguments: Sequence[Any]) -> Any:
    return redis.eval(_LUA[name].decode(), len(keys), *keys, *arguments)


def freshness_text(freshness: Mapping[str, Any]) -> str:
    """The members of an answer's `meta` that tell its freshness, as JSON without braces."""
    fresh_at: datetime = freshness["fresh_at"]
    members = {
        "position": freshness["position"],
        "fresh_at": fresh_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "lag_ms": freshness["lag_ms"],
        "complete": freshness["parked"] == 0,
    }
    return msgspec.json.encode(members).decode()[1:-1]


def _fragment_of(row: Mapping[str, Any]) -> Fragment:
    return row["metric"], row["group_by"], row["period"]


def _changed_fragments(cursor: psycopg.Cursor[DictRow], redis: Redis, *, epoch: int, after: int) -> dict[str, bytes]:
    """
    Every fragment of which a group was rewritten after refresh `after`; empty where no group is left.

    Groups that did not change are taken from what Redis holds, whoever wrote that: they were the same ever since.
    """
    rows = cursor.execute(_SQL["changed_fragments"], {"after": after}).fetchall()
    rendered = _rendered(cursor, [text for row in rows for text in row["stored"]])
    fragments: dict[str, bytes] = {}
    for piece in batched(rows, _PIECE):
        keys = [fragment_key(epoch, *_fragment_of(row)) for row in piece]
        held = cast("list[bytes | None]", redis.mget(keys))
        for key, row, before in zip(keys, piece, held, strict=True):
            now = _groups_of(join_rows([rendered[text] for text in row["stored"]]))
            try:
                groups = _groups_of(before or b"[]") | now
                parts = [groups[group] for group in row["groups"]]
            except (KeyError, msgspec.DecodeError) as lost:
                raise _FragmentLost(key) from lost
            fragments[key] = join_rows(parts) if parts else b""
    return fragments


def _groups_of(fragment: bytes) -> dict[str, msgspec.Raw]:
    """The rendered rows of a fragment by group."""
    labels = (labelled.group for labelled in _decode_labels(fragment))
    return dict(zip(labels, _decode_rows(fragment), strict=True))


def _all_fragments(cursor: psycopg.Cursor[DictRow], *, epoch: int) -> Iterator[dict[str, bytes]]:
    """Every fragment, some at a time: all of them need not fit in memory."""
    with cursor.connection.cursor("all_fragments", row_factory=dict_row) as stream:
        stream.itersize = _PIECE * 10
        stream.execute(_SQL["all_fragments"])
        for piece in batched(((key, list(found)) for key, found in groupby(stream, _fragment_of)), _PIECE):
            rendered = _rendered(cursor, [row["stored"] for _, found in piece for row in found])
            yield {
                fragment_key(epoch, *key): join_rows([rendered[row["stored"]] for row in found]) for key, found in piece
            }


def _rendered(cursor: psycopg.Cursor[DictRow], stored: Iterable[str]) -> dict[str, bytes]:
    """Rows of `group_aggregate`, given as JSON text, as they are sent."""
    decoded = {text: _decode(text) for text in stored}
    ciks = sorted({cik for row in decoded.values() for cik in row.members()})
    names = {row["cik"]: row["shown"] for row in cursor.execute(_SQL["names"], {"ciks": ciks}).fetchall()}
    return {text: render_row(public_row(row, names)) for text, row in decoded.items()}


def _drop_dead_epochs(redis: Redis, *, upto: int) -> None:
    """Remove what was left of epochs, but for the live one and those begun later than `upto`."""
    keys: dict[int, list[bytes]] = defaultdict(list)
    for key in redis.scan_iter(f"{PREFIX}:*:*", count=1_000):
        if (epoch := number_of(key.split(b":", 2)[1])) is not None:
            keys[epoch].append(key)
    for dead in sorted(epoch for epoch in keys if epoch <= upto):
        for piece in batched(keys[dead], _PIECE):
            _run(redis, "drop_keys", (EPOCH_KEY, *piece), (dead,))
