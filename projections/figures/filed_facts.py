"""What a filing's facts say of themselves, before anything is resolved."""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from commands.filings.events import ConceptFacts, FilingReported
from projections.figures.rows import FilingRow
from projections.financials.copies import Copy, had_ended, is_relevant, metrics_of_concept, reporting_cycle
from projections.financials.forms import ANNUAL_REPORTS, trust_tier
from queries.metrics.periods import duration_days, is_plausible, is_reporting_length, period_type


class FiledSpan(NamedTuple):
    """The days a fact is about, 0 of them for an instant, and whether a period can really end then."""

    start: date | None
    end: date
    days: int
    plausible: bool


@lru_cache(maxsize=65_536)
def filed_span(start: str | None, end: str) -> FiledSpan:
    """This will read the span of a fact given as ISO dates: a filing has few of them, in many facts."""
    first, last = None if start is None else date.fromisoformat(start), date.fromisoformat(end)
    return FiledSpan(first, last, duration_days(first, last), is_plausible(last))


def period_ends(filing: FilingReported) -> tuple[date | None, date | None]:
    """
    The newest end of what may be the filing's own period, and the newest end of a year if it is an annual report.
    """
    stated = {(start, end) for _, _, values in filing.facts for start, end, _ in values if start is not None}
    spans = [
        span
        for span in (filed_span(*each) for each in stated)
        if span.plausible and had_ended(span.end, filed_on=filing.filed_on, source=filing.source)
    ]
    ends = [span.end for span in spans if is_reporting_length(span.days)]
    year_ends = [span.end for span in spans if period_type(span.days) == "annual"]
    return max(ends, default=None), max(year_ends, default=None) if filing.form in ANNUAL_REPORTS else None


def relevant_ends(facts: Iterable[ConceptFacts]) -> set[date]:
    """The ends of the spans for which these facts can feed a metric."""
    concepts = metrics_of_concept()
    return {
        span.end
        for concept, unit, values in facts
        if concept in concepts
        for span in [filed_span(start, end) for start, end, _ in values]
        if span.plausible and is_relevant(concept, unit, span.days)
    }


def copies_of(filing: FilingRow, facts: Iterable[ConceptFacts]) -> Iterator[Copy]:
    """
    This will yield the relevant facts of a filing as copies: of periods that had ended, and none if its form may not
    feed a metric.
    """
    tier = trust_tier(filing.form)
    if tier is None:
        return
    concepts = metrics_of_concept()
    known_at, withdrawn_at, accession = filing.known_at, filing.withdrawn_at, filing.accession
    filed_on, source = filing.filed_on, filing.source
    amendment = filing.form.endswith("/A")
    cycles: dict[date, int] = {}
    for concept, unit, values in facts:
        if concept not in concepts:
            continue
        for first, last, value in values:
            start, end, days, plausible = filed_span(first, last)
            if plausible and had_ended(end, filed_on=filed_on, source=source) and is_relevant(concept, unit, days):
                if end not in cycles:
                    cycles[end] = reporting_cycle(end, filing.period_end)
                yield Copy(
                    concept,
                    unit,
                    start,
                    end,
                    days,
                    Decimal(value),
                    known_at,
                    withdrawn_at,
                    accession,
                    tier,
                    cycles[end],
                    amendment,
                )
