"""What a filing's facts say of themselves, before anything is resolved."""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import lru_cache

from commands.filings.events import ConceptFacts, FilingReported
from projections.figures.rows import FilingRow
from projections.financials.copies import Copy, is_relevant, metrics_of_concept, reporting_cycle
from projections.financials.forms import ANNUAL_REPORTS, trust_tier
from queries.metrics.periods import duration_days, is_plausible, is_reporting_length, period_type


@lru_cache(maxsize=65_536)
def days_between(start: str | None, end: str) -> int:
    """The length of a span given as ISO dates; 0 for an instant."""
    return duration_days(None if start is None else day(start), day(end))


@lru_cache(maxsize=65_536)
def day(text: str) -> date:
    """A date from its ISO text."""
    return date.fromisoformat(text)


def period_ends(filing: FilingReported) -> tuple[date | None, date | None]:
    """
    The newest end of what may be the filing's own period, and the newest end of a year if it is an annual report.

    Ends after the filing day are plans, not reports, and left out.
    """
    filed_on = filing.filed_on.isoformat()
    stated = {(start, end) for _, _, values in filing.facts for start, end, _ in values if start is not None}
    spans = [(end, days_between(start, end)) for start, end in stated if end <= filed_on and is_plausible(day(end))]
    any_ends = [end for end, days in spans if is_reporting_length(days)]
    year_ends = [end for end, days in spans if period_type(days) == "annual"]
    is_annual = filing.form in ANNUAL_REPORTS
    return (
        day(max(any_ends)) if any_ends else None,
        day(max(year_ends)) if year_ends and is_annual else None,
    )


def relevant_ends(facts: Iterable[ConceptFacts]) -> set[date]:
    """The ends of the spans for which these facts can feed a metric."""
    concepts = metrics_of_concept()
    ends = {
        end
        for concept, unit, values in facts
        if concept in concepts
        for start, end, _ in values
        if is_relevant(concept, unit, days_between(start, end))
    }
    return {last for last in map(day, ends) if is_plausible(last)}


def copies_of(filing: FilingRow, facts: Iterable[ConceptFacts]) -> Iterator[Copy]:
    """This will yield the relevant facts of a filing as copies, none if its form may not feed a metric."""
    tier = trust_tier(filing.form)
    if tier is None:
        return
    concepts = metrics_of_concept()
    known_at = filing.known_at
    amendment = filing.form.endswith("/A")
    for concept, unit, values in facts:
        if concept not in concepts:
            continue
        for start, end, value in values:
            days = days_between(start, end)
            last = day(end)
            if is_relevant(concept, unit, days) and is_plausible(last):
                yield Copy(
                    concept,
                    unit,
                    None if start is None else day(start),
                    last,
                    days,
                    Decimal(value),
                    known_at,
                    filing.withdrawn_at,
                    filing.accession,
                    tier,
                    reporting_cycle(last, filing.period_end),
                    amendment,
                )
