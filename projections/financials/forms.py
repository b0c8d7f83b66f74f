"""Which forms may feed a metric, and in what order they are trusted."""

ANNUAL_REPORTS = frozenset({"10-K", "10-K/A", "10-KT", "10-KT/A", "20-F", "20-F/A", "40-F", "40-F/A"})

PERIODIC_REPORTS = ANNUAL_REPORTS | {"10-Q", "10-Q/A", "10-QT", "10-QT/A", "6-K", "6-K/A"}

CURRENT_REPORTS = frozenset({"8-K", "8-K/A"})


def trust_tier(form: str) -> int | None:
    """
    How far a form's figures are trusted: 0 for periodic reports, 1 for current reports.

    None for proxy statements, prospectuses and the rest: they round, or speak of other things, and never feed a metric.
    """
    if form in PERIODIC_REPORTS:
        return 0
    return 1 if form in CURRENT_REPORTS else None
