"""On which basis per-share figures and share counts stand, and how they read on today's."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal, localcontext

import msgspec

from queries.metrics.catalogue import Metric, share_operands
from queries.read_models.aggregate_fragment import plain
from queries.service.absence import Known, Place
from queries.service.statements import load_statements
from queries.tables import Snapshot

_SQL = load_statements("splits.sql")
_TWELVE_DECIMALS = Decimal("1e-12")
_WORKING_DIGITS = 60


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """From `filed_from` on, a company's filings count `ratio` shares for each one before."""

    cik: int
    filed_from: datetime
    ratio: Decimal
    accession: str


class ShareValue(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a figure that a split changes."""

    cik: int
    metric: str
    period_type: str
    period: str | None
    period_end: date
    duration_days: int
    value: Decimal
    unit: str
    known_from: datetime
    known_to: datetime | None

    def stood_at(self, instant: datetime) -> bool:
        """Whether it held at an instant."""
        return self.known_from <= instant and (self.known_to is None or instant < self.known_to)


async def share_values(snapshot: Snapshot, ciks: Iterable[int], metrics: Iterable[Metric]) -> list[ShareValue]:
    """This will read every version of the share figures that some companies' metrics are worked out from."""
    behind = {operand.metric for metric in metrics for operand in share_operands(metric.key)}
    if not behind:
        return []
    return await snapshot.fetch(ShareValue, _SQL["share_values"], {"ciks": list(ciks), "metrics": sorted(behind)})


async def splits_known(snapshot: Snapshot, ciks: Iterable[int], *, as_of: datetime | None) -> list[Split]:
    """This will read the splits some companies' filings showed at `as_of`, or show now, the first one first."""
    return await snapshot.fetch(Split, _SQL["splits"], {"ciks": list(ciks), "as_of": as_of})


def splits_after(splits: Iterable[Split], *, cik: int, known_from: datetime) -> list[Split]:
    """The splits a company's filings counted only after a version became known."""
    return [split for split in splits if split.cik == cik and split.filed_from > known_from]


def splits_since(
    metric: Metric,
    splits: Sequence[Split],
    *,
    cik: int,
    place: Place,
    known_from: datetime,
    behind: Iterable[ShareValue],
) -> list[Split] | None:
    """
    The splits a value of a company does not count yet: of a figure worked out per share, those its share figures do
    not count, among `behind`. None where splits do not touch the metric, or its operands stand on several bases.
    """
    if metric.split_sensitive or not splits:
        return splits_after(splits, cik=cik, known_from=known_from)
    stood = Known(value for value in behind if value.cik == cik and value.stood_at(known_from))
    operands = (stood.operand(operand, place=place) for operand in share_operands(metric.key))
    since = [splits_after(splits, cik=cik, known_from=operand.known_from) for operand in operands if operand]
    return since[0] if since and all(each == since[0] for each in since) else None


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
