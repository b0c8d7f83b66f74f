"""Who fulfils a condition, and who comes first, as searches in columns. Nothing here knows a database."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from decimal import Decimal
from heapq import merge
from itertools import chain, groupby
from operator import eq, ge, gt, itemgetter, le, lt, ne

import msgspec

from queries.service.columns import Column
from queries.service.screen_grammar import Sign

type Held = Sequence[Column]
"""What companies have for one figure: a column for each group they are measured in."""


class Place(msgspec.Struct, frozen=True):
    """A company in an order: whether it lacks the figure, what it has of it, and its CIK."""

    absent: bool
    value: Decimal
    cik: int


_PARTS: dict[Sign, Callable[[int, int], tuple[slice, ...]]] = {
    "<": lambda low, high: (slice(low),),
    "<=": lambda low, high: (slice(high),),
    ">": lambda low, high: (slice(high, None),),
    ">=": lambda low, high: (slice(low, None),),
    "=": lambda low, high: (slice(low, high),),
    "!=": lambda low, high: (slice(low), slice(high, None)),
}
"""Which parts of a column pass, if the members that equal the bound are those from `low` to `high`."""

_COMPARE: dict[Sign, Callable[[Decimal, Decimal], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge, "=": eq, "!=": ne}


def having(held: Held) -> int:
    """How many companies have the figure."""
    return sum(len(column.ciks) for column in held)


def within(held: Held, sign: Sign, bound: Decimal) -> set[int]:
    """Whose figure passes when held against a number."""
    passing: set[int] = set()
    for column in held:
        low, high = bisect_left(column.values, bound), bisect_right(column.values, bound)
        passing.update(*(column.ciks[part] for part in _PARTS[sign](low, high)))
    return passing


def between(held: Held, low: Decimal, high: Decimal) -> set[int]:
    """Whose figure lies within two numbers, both included."""
    return within(held, ">=", low) & within(held, "<=", high)


def against(held: Held, sign: Sign, other: Held) -> tuple[int, set[int]]:
    """How many have both of two figures, and whose pass when held against each other."""
    compare = _COMPARE[sign]
    own, others = dict(_members(held)), dict(_members(other))
    both = own.keys() & others.keys()
    return len(both), {cik for cik in both if compare(own[cik], others[cik])}


def values_of(held: Held, ciks: Set[int]) -> dict[int, Decimal]:
    """What some companies have."""
    return {cik: column.values[at] for column in held for at, cik in enumerate(column.ciks) if cik in ciks}


def in_order(held: Held, ciks: set[int], *, descending: bool, after: Place | None) -> Iterator[Place]:
    """
    Some companies by (figure, CIK), beginning behind one of them; those without the figure last, by CIK.

    What they have is worked out as they are taken.
    """
    if after is None or not after.absent:
        columns = [_in_order(column, ciks, descending=descending, after=after) for column in held]
        for value, cik in merge(*columns, reverse=descending):
            yield Place(False, value, cik)
        after = None
    lacking = ciks.difference(*(column.ciks for column in held))
    for cik in sorted(lacking, reverse=descending):
        if after is None or (cik < after.cik if descending else cik > after.cik):
            yield Place(True, Decimal(0), cik)


def _in_order(
    column: Column, ciks: Set[int], *, descending: bool, after: Place | None
) -> Iterator[tuple[Decimal, int]]:
    values = column.values
    if descending:
        places = range(bisect_right(values, after.value) if after else len(values))[::-1]
    else:
        places = range(bisect_left(values, after.value) if after else 0, len(values))
    found = ((values[at], column.ciks[at]) for at in places if column.ciks[at] in ciks)
    for value, equals in groupby(found, key=itemgetter(0)):
        for cik in sorted(map(itemgetter(1), equals), reverse=descending):
            if after is None or value != after.value or (cik < after.cik if descending else cik > after.cik):
                yield value, cik


def _members(held: Held) -> Iterable[tuple[int, Decimal]]:
    return chain.from_iterable(zip(column.ciks, column.values, strict=True) for column in held)
