"""On which basis per-share figures and share counts stand, and how they read on today's."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal, localcontext

import msgspec

from queries.connections import Snapshot
from queries.metrics.catalogue import Metric
from queries.read_models.aggregate_fragment import plain
from queries.service.statements import load_statements

_SQL = load_statements("splits.sql")
_TWELVE_DECIMALS = Decimal("1e-12")
_WORKING_DIGITS = 60


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """From `known_from` on, a company's filings count `ratio` shares for each one before."""

    cik: int
    known_from: datetime
    ratio: Decimal
    accession: str


async def splits_known(snapshot: Snapshot, ciks: Iterable[int], *, as_of: datetime | None) -> list[Split]:
    """This will read the splits some companies' filings had shown by `as_of`, the first known first."""
    return await snapshot.fetch(Split, _SQL["splits"], {"ciks": list(ciks), "as_of": as_of})


def splits_after(splits: Iterable[Split], *, cik: int, known_from: datetime) -> list[Split]:
    """The splits a company's filings showed only after a version became known."""
    return [split for split in splits if split.cik == cik and split.known_from > known_from]


def split_factor(splits: Sequence[Split]) -> Decimal:
    """How many shares of today's one share of a version stands for, given the splits after it. Not rounded."""
    with localcontext(prec=_WORKING_DIGITS):
        factor = Decimal(1)
        for split in splits:
            factor *= split.ratio
        return factor


def shown(factor: Decimal) -> Decimal:
    """A factor as answers show it, to twelve decimals."""
    with localcontext(prec=_WORKING_DIGITS):
        return plain(factor.quantize(_TWELVE_DECIMALS))


def on_todays_basis(value: Decimal, metric: Metric, *, factor: Decimal) -> Decimal:
    """The value as filings of today would state it: share counts multiplied, figures per share divided."""
    if factor == 1:
        return value
    with localcontext(prec=_WORKING_DIGITS):
        restated = value * factor if metric.unit == "shares" else value / factor
        return plain(restated.quantize(_TWELVE_DECIMALS))
