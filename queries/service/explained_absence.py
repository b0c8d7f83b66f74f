"""Why a company has no value for a period, and what there is instead."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from queries.metrics.catalogue import Metric, formula_of
from queries.metrics.periods import (
    PeriodType,
    calendar_label,
    fiscal_label,
    trailing_label,
    year_before,
)
from queries.read_models.explanation import ExplanationRow
from queries.service.absence import (
    CALENDAR_METRICS,
    Absence,
    Known,
    Place,
    metrics_behind,
    own_currency,
    unit_in,
    why_absent,
)
from queries.service.asked_period import AskedPeriod
from queries.service.companies import Company
from queries.service.explained_operands import operand_row
from queries.service.value_versions import ValueVersion, fiscal_period, is_meant, versions_of
from queries.tables import Snapshot

_CANDIDATES = 12


async def explain_absence(
    snapshot: Snapshot, company: Company, metric: Metric, *, period: AskedPeriod, as_of: datetime | None
) -> ExplanationRow:
    """This will say why a company has no value of a metric for a period, and what is missing."""
    consulted = metrics_behind(metric).union(CALENDAR_METRICS)
    beside = await versions_of(snapshot, cik=company.cik, metrics=consulted)
    standing = [version for version in beside if version.stands_at(as_of)]
    known = Known(standing)
    place = _asked_place(period, metric=metric, standing=standing, company=company)
    absence = Absence(reason="parked")
    if not company.parked:
        absence = why_absent(metric, place, sics=company.sics, known=known)
    formula = formula_of(metric.key) if absence.reason != "not_applicable" else None
    newest = known.newest(metric.key, place.kind)
    last = place.end or max((version.period_end for version in standing), default=None)
    currency = own_currency(version.unit for version in standing if version.period_end == last)
    days = 0 if place.kind == "ttm" else place.days
    fiscal = None
    if place.end is not None and days is not None:
        fiscal = fiscal_label(place.end, days, company.latest_fiscal_year_end)
    start = place.end - timedelta(days=place.days - 1) if place.end and place.days else None
    return ExplanationRow(
        company=company.display,
        cik=company.cik,
        name=company.name,
        metric=metric.key,
        label=metric.label,
        unit=unit_in(metric, currency),
        period=period.label if period.kind == "calendar" else _label(place),
        period_start=start,
        period_end=place.end or period.end,
        fiscal_year=fiscal[0] if fiscal else None,
        fiscal_period=fiscal[1] if fiscal else None,
        value=None,
        reason=absence.reason,
        missing=list(absence.missing),
        newest_period=newest.period if newest else None,
        known_from=None,
        known_to=None,
        accession=None,
        form=None,
        filed_on=None,
        accepted_at=None,
        concept=None,
        url=None,
        formula=formula.text if formula else None,
        operands=[
            operand_row(operand, place=place, known=known, company=company, currency=currency)
            for operand in formula.needs
        ]
        if formula
        else [],
        sources=[],
        revisions=[],
        split_factor=None,
        splits=[],
        broken_checks=[],
        flags=[absence.reason],
    )


def _asked_place(period: AskedPeriod, *, metric: Metric, standing: Iterable[ValueVersion], company: Company) -> Place:
    """Where the value would stand: the company's own period that is meant, found by what else it has values for."""
    standing = list(standing)
    kind: PeriodType = "annual"
    if metric.over == "instant":
        kind = "instant"
    elif period.trailing:
        kind = "ttm"
    elif period.quarter or (
        period.end
        and {v.period_type for v in standing if v.period_end == period.end} & {"annual", "quarterly"} == {"quarterly"}
    ):
        kind = "quarterly"

    def is_there(version: ValueVersion) -> bool:
        if kind in ("annual", "quarterly") and version.period_type != kind:
            return False
        if period.end is not None:
            return version.period_end == period.end
        if period.kind == "fiscal":
            days = 0 if kind == "instant" else version.duration_days
            wanted = (period.year, fiscal_period(period, instant=days == 0))
            return fiscal_label(version.period_end, days, company.latest_fiscal_year_end) == wanted
        if kind == "instant":
            return calendar_label(version.period_end, 0)[0] == period.label
        if kind == "ttm":
            return version.duration_days > 0 and trailing_label(version.period_end) == period.label
        return version.period == period.label

    there = min(filter(is_there, standing), key=lambda version: version.nearness(kind), default=None)
    end = there.period_end if there else None
    if kind == "instant":
        return Place(kind=kind, end=end, days=0)
    if kind == "ttm":
        return Place(kind=kind, end=end, days=(end - year_before(end, 1)).days if end else None)
    return Place(kind=kind, end=end, days=there.duration_days if there else None)


def _label(place: Place) -> str | None:
    if place.end is None or place.days is None:
        return None
    return trailing_label(place.end) if place.kind == "ttm" else calendar_label(place.end, place.days)[0]


def what_there_is(
    versions: Sequence[ValueVersion], *, company: Company, metric: Metric, period: AskedPeriod, as_of: datetime | None
) -> Iterator[str]:
    """What can be asked instead of a value there is none of."""
    if as_of is not None:
        later = [v for v in versions if v.known_from > as_of and is_meant(v, period=period, company=company)]
        if later:
            yield (
                f"{metric.key} of {company.display} for {period.label} became known after as_of; ask with a later one"
            )
    labels = {version.period for version in versions if version.period and version.stands_at(as_of)}
    near = sorted(labels, key=lambda label: _near(label, period))[:_CANDIDATES]
    if near:
        yield f"{metric.key} of {company.display} has a value for {', '.join(sorted(near))}"
    else:
        yield f"{company.display} has no value of {metric.key} for any period"


def _near(label: str, period: AskedPeriod) -> tuple[bool, int, bool, str]:
    quarterly = "Q" in label
    return (
        label.endswith("TTM") != period.trailing,
        abs(int(label[2:6]) - period.year),
        quarterly != bool(period.quarter),
        label,
    )
