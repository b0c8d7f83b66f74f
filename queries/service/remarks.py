"""What a careful reader should know about the rows of an answer, in few lines."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from queries.read_models.series import SeriesRow
from queries.service.absence import REASONS, Absence

_NAMED = 5
_TOLD = {
    "scale_conflict": "filings differ by a thousand or a million; the value most of them give stands",
    "sign_conflict": "filings differ in sign; the value most of them give stands",
    "check_failed": "its filing breaks an accounting identity, see explain",
    "parked": "events of this company wait; the value may be behind",
}
"""Flags too grave to stand only beside their value."""


def remarks_on(
    rows: Sequence[SeriesRow], *, names: Mapping[int, str], newest: Mapping[tuple[int, str], Absence]
) -> list[str]:
    """
    This will sum up which values are null, by reason, and which are flagged as doubtful.

    `names` tells what the companies asked for are called, by CIK; `newest` holds, by company and metric, an absence
    that names the newest period with a value.
    """
    absent: dict[str, list[SeriesRow]] = defaultdict(list)
    doubtful: dict[str, list[SeriesRow]] = defaultdict(list)
    for row in rows:
        if row.reason is not None:
            absent[row.reason].append(row)
            continue
        for flag in row.flags:
            if flag in _TOLD:
                doubtful[flag].append(row)
    remarks = [
        f"null, {reason} ({REASONS[reason.partition(':')[0]]}): {_named(found)}" for reason, found in absent.items()
    ]
    remarks += [f"{flag} ({_TOLD[flag]}): {_named(found)}" for flag, found in doubtful.items()]
    return remarks + list(_instead(names, newest))


def _named(rows: Iterable[SeriesRow]) -> str:
    """Rows by company and metric, with their periods."""
    periods: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        periods[row.company, row.metric].append(row.period or str(row.period_end))
    named = [
        f"{company} {metric} {of[0]}" if len(of) == 1 else f"{company} {metric} {of[0]} to {of[-1]} ({len(of)} periods)"
        for (company, metric), of in list(periods.items())[:_NAMED]
    ]
    more = len(periods) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")


def _instead(names: Mapping[int, str], newest: Mapping[tuple[int, str], Absence]) -> Iterable[str]:
    for (cik, metric), absence in newest.items():
        if absence.newest is not None:
            yield f"the newest twelve months of {names[cik]} {metric} are {absence.newest}"
        elif absence.reason == "no_twelve_months":
            yield f"{names[cik]} {metric} has no twelve months at all"
