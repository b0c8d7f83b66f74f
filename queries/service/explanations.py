"""Where a value comes from: its filing, formula, operands and earlier versions."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated

import msgspec

from queries.connections import ReadSources, Snapshot
from queries.errors import QueryError
from queries.metrics.applicability import applies
from queries.metrics.catalogue import Metric, formula_of, is_changed_by_splits, load_catalogue
from queries.metrics.formula import Formula, Operand
from queries.metrics.periods import (
    PeriodType,
    calendar_label,
    distance_from_label,
    fiscal_label,
    standing_order,
    trailing_label,
    year_before,
)
from queries.read_models.aggregate_fragment import plain
from queries.read_models.explanation import EXPLANATION, ExplanationRow, OperandRow, RevisionRow, SourceRow, SplitRow
from queries.read_models.filing import document_url
from queries.service.absence import (
    CALENDAR_METRICS,
    Absence,
    Known,
    Place,
    metrics_behind,
    own_currency,
    place_of,
    unit_in,
    why_absent,
)
from queries.service.arguments import AsOf, Query, argument
from queries.service.asked_period import PERIOD_PATTERN, AskedPeriod, read_period
from queries.service.companies import Company, CompanyReference, as_known_at, find_company
from queries.service.filings import FilingKnown, broken_checks, filings_named
from queries.service.metrics import find_metrics
from queries.service.result import Result, meta_of
from queries.service.splits import share_values, shown, split_factor, splits_known, splits_since
from queries.service.statements import load_statements

_SQL = load_statements("explanations.sql")
_CANDIDATES = 12


class ExplainQuery(Query, frozen=True, kw_only=True):
    """Which value to explain."""

    company: CompanyReference
    metric: Annotated[
        str, argument("Key of a metric, see /v1/metrics.", example="revenue", max_length=60, of="MetricKey")
    ]
    period: Annotated[
        AskedPeriod,
        argument(
            "A calendar period (CY2023, CY2023Q3, CY2023Q3I, CY2023Q3TTM), a fiscal one (FY2023, FY2023Q2), or the day "
            "it ends.",
            example="CY2023",
            pattern=PERIOD_PATTERN,
            read=read_period,
        ),
    ]
    as_of: AsOf = None


class _Version(msgspec.Struct, frozen=True, kw_only=True):
    metric: str
    period_type: PeriodType
    period: str | None
    period_start: date | None
    period_end: date
    duration_days: int
    calendar_offset: int
    revision: int
    known_from: datetime
    known_to: datetime | None
    value: Decimal
    unit: str
    accession: str
    concept: str | None
    sources: str | None
    flags: list[str]
    form: str | None
    filed_on: date | None
    accepted_at: datetime | None

    @property
    def place(self) -> Place:
        """Where the value stands, as formulas look from there."""
        return Place(kind=self.period_type, end=self.period_end, days=self.duration_days)

    @property
    def span(self) -> tuple[date, int, str]:
        return self.period_end, self.duration_days, self.period_type

    @property
    def formula(self) -> Formula | None:
        """The formula the value was worked out by; None where it was read from facts."""
        return None if self.concept or self.sources else formula_of(self.metric)

    def fiscal(self, company: Company) -> tuple[int, str] | None:
        """The company's own name for the period; twelve months go by the day they end on."""
        days = 0 if self.period_type == "ttm" else self.duration_days
        return fiscal_label(self.period_end, days, company.latest_fiscal_year_end)

    def known_until(self, as_of: datetime | None) -> datetime | None:
        """Until when it stood, as far as that was known at `as_of`."""
        return self.known_to if as_of is None or (self.known_to and self.known_to <= as_of) else None

    def stands_at(self, instant: datetime | None) -> bool:
        if instant is None:
            return self.known_to is None
        return self.known_from <= instant and (self.known_to is None or instant < self.known_to)


async def explain_value(sources: ReadSources, query: ExplainQuery) -> Result:
    """
    This will explain one value, or why there is none.

    Raises:
        QueryError: the company, metric or period is unknown or ambiguous.
    """
    metric = find_metrics((query.metric,))[0]
    warnings: list[str] = []
    period = _fitting(query.period, metric=metric, warnings=warnings)
    async with sources.snapshot() as snapshot:
        (company,) = await as_known_at(snapshot, [await find_company(snapshot, query.company)], query.as_of)
        versions = await _versions(snapshot, cik=company.cik, metrics=(metric.key,))
        if not applies(metric, company.sic_then):
            versions = []
        version = _chosen(versions, company=company, period=period, as_of=query.as_of)
        if version is None:
            row = await explain_absence(snapshot, company, metric, period=period, as_of=query.as_of)
            warnings += _instead(versions, company=company, metric=metric, period=period, as_of=query.as_of)
        else:
            row = await _present(snapshot, company, metric, version, versions=versions, as_of=query.as_of)
        if company.parked:
            warnings.append(f"parked: events of {company.display} wait; what is shown may be behind")
        return Result(
            read_model=EXPLANATION,
            meta=meta_of(snapshot.freshness, as_of=query.as_of, warnings=warnings),
            rows=[row],
        )


async def _versions(snapshot: Snapshot, *, cik: int, metrics: Iterable[str]) -> list[_Version]:
    return await snapshot.fetch(_Version, _SQL["versions"], {"cik": cik, "metrics": sorted(metrics)})


def _fitting(period: AskedPeriod, *, metric: Metric, warnings: list[str]) -> AskedPeriod:
    """The same period in the form the metric's periods are labelled with."""
    if metric.over == "instant" and period.kind == "calendar" and not period.instant:
        meant = msgspec.structs.replace(period, quarter=period.quarter or 4, instant=True, trailing=False)
        warnings.append(f"{metric.key} stands at an instant: {period.label} means {meant.label}")
        return meant
    if metric.over == "duration" and period.instant:
        meant = msgspec.structs.replace(period, instant=False)
        warnings.append(f"{metric.key} covers a duration: {period.label} means {meant.label}")
        return meant
    return period


def _chosen(
    versions: Sequence[_Version], *, company: Company, period: AskedPeriod, as_of: datetime | None
) -> _Version | None:
    meant = [v for v in versions if v.stands_at(as_of) and _is_meant(v, period=period, company=company)]
    if len({version.period_type for version in meant}) > 1:
        raise QueryError(
            code="ambiguous_period",
            message=f"several periods of {company.display} end on {period.label}",
            fix="Ask again with one of the candidates.",
            candidates=sorted({version.period for version in meant if version.period}),
        )
    return min(meant, key=_nearest_first, default=None)


def _nearest_first(version: _Version) -> tuple[int, float, int, int]:
    distance = distance_from_label(version.period_type, version.period_end, version.calendar_offset)
    return standing_order(distance, version.known_from, version.duration_days, version.period_end)


def _is_meant(version: _Version, *, period: AskedPeriod, company: Company) -> bool:
    if period.kind == "calendar":
        return version.period == period.label
    if version.period_type == "ttm":
        return False
    if period.end is not None:
        return version.period_end == period.end
    return version.fiscal(company) == (period.year, _fiscal_period(period, instant=version.duration_days == 0))


def _fiscal_period(period: AskedPeriod, *, instant: bool) -> str:
    """FY or Q1 to Q4; a balance at the end of the fourth quarter is that of the year."""
    return f"Q{period.quarter}" if period.quarter and not (instant and period.quarter == 4) else "FY"


async def _present(
    snapshot: Snapshot,
    company: Company,
    metric: Metric,
    version: _Version,
    *,
    versions: Iterable[_Version],
    as_of: datetime | None,
) -> ExplanationRow:
    operands: list[OperandRow] = []
    formula = version.formula
    if formula is not None:
        beside = await _versions(snapshot, cik=company.cik, metrics=metrics_behind(metric))
        standing = [other for other in beside if other.stands_at(version.known_from)]
        known = Known(standing)
        currency = own_currency(other.unit for other in standing if other.period_end == version.period_end)
        operands = [
            _operand(operand, place=version.place, known=known, company=company, currency=currency)
            for operand in formula.needs
        ]
    facts = msgspec.json.decode(version.sources or "[]", type=list[_Source])
    filings = await filings_named(snapshot, cik=company.cik, accessions=[fact.accession for fact in facts])
    stands_on = {version.accession, *filings, *(operand.accession for operand in operands if operand.accession)}
    splits = None
    if is_changed_by_splits(metric):
        splits = splits_since(
            metric,
            await splits_known(snapshot, (company.cik,), as_of=as_of),
            cik=company.cik,
            place=version.place,
            known_from=version.known_from,
            behind=await share_values(snapshot, (company.cik,), (metric,)),
        )
    history = [past for past in versions if past.span == version.span and (as_of is None or past.known_from <= as_of)]
    fiscal = version.fiscal(company)
    return ExplanationRow(
        company=company.display,
        cik=company.cik,
        name=company.name,
        metric=metric.key,
        label=metric.label,
        unit=version.unit,
        period=version.period,
        period_start=version.period_start,
        period_end=version.period_end,
        fiscal_year=fiscal[0] if fiscal else None,
        fiscal_period=fiscal[1] if fiscal else None,
        value=plain(version.value),
        reason=None,
        missing=[],
        newest_period=None,
        known_from=version.known_from,
        known_to=version.known_until(as_of),
        accession=version.accession,
        form=version.form,
        filed_on=version.filed_on,
        accepted_at=version.accepted_at,
        concept=version.concept,
        url=document_url(cik=company.cik, accession=version.accession),
        formula=formula.text if formula else None,
        operands=operands,
        sources=[_source(fact, filings.get(fact.accession), company=company) for fact in facts],
        revisions=[_revision(past, company=company, as_of=as_of) for past in history],
        split_factor=None if splits is None else shown(split_factor(splits)),
        splits=[
            SplitRow(
                ratio=shown(split.ratio),
                known_from=split.known_from,
                accession=split.accession,
                url=document_url(cik=company.cik, accession=split.accession),
            )
            for split in splits or ()
        ],
        broken_checks=await broken_checks(snapshot, cik=company.cik, accessions=stands_on),
        flags=[*version.flags, "parked"] if company.parked else version.flags,
    )


def _revision(past: _Version, *, company: Company, as_of: datetime | None) -> RevisionRow:
    return RevisionRow(
        revision=past.revision,
        value=plain(past.value),
        known_from=past.known_from,
        known_to=past.known_until(as_of),
        accession=past.accession,
        form=past.form,
        filed_on=past.filed_on,
        accepted_at=past.accepted_at,
        concept=past.concept,
        url=document_url(cik=company.cik, accession=past.accession),
    )


class _Source(msgspec.Struct, frozen=True, kw_only=True):
    sign: int
    concept: str | None
    start: date | None
    end: date
    value: Decimal
    accession: str


def _source(fact: _Source, filing: FilingKnown | None, *, company: Company) -> SourceRow:
    return SourceRow(
        sign=fact.sign,
        concept=fact.concept,
        period_start=fact.start,
        period_end=fact.end,
        value=plain(fact.value),
        accession=fact.accession,
        form=filing.form if filing else None,
        filed_on=filing.filed_on if filing else None,
        accepted_at=filing.accepted_at if filing else None,
        known_from=filing.known_at if filing else None,
        url=document_url(cik=company.cik, accession=fact.accession),
    )


def _operand(operand: Operand, *, place: Place, known: Known[_Version], company: Company, currency: str) -> OperandRow:
    metric = load_catalogue().by_key()[operand.metric]
    version = known.operand(operand, place=place)
    role = f"years_ago:{operand.years_ago}" if operand.years_ago else "ttm" if operand.span == "ttm" else "value"
    if version is None:
        own_place = place_of(operand, place=place)
        reason = why_absent(metric, own_place, sics=company.sics, known=known).reason
        return OperandRow(
            metric=metric.key,
            role=role,
            period=None,
            period_start=None,
            period_end=None if operand.years_ago else place.end,
            value=None,
            unit=unit_in(metric, currency),
            accession=None,
            form=None,
            filed_on=None,
            accepted_at=None,
            known_from=None,
            concept=None,
            formula=metric.formula,
            url=None,
            flags=["counted_as_zero"] if operand.optional else [reason],
        )
    formula = version.formula
    return OperandRow(
        metric=metric.key,
        role=role,
        period=version.period,
        period_start=version.period_start,
        period_end=version.period_end,
        value=plain(version.value),
        unit=version.unit,
        accession=version.accession,
        form=version.form,
        filed_on=version.filed_on,
        accepted_at=version.accepted_at,
        known_from=version.known_from,
        concept=version.concept,
        formula=formula.text if formula else None,
        url=document_url(cik=company.cik, accession=version.accession),
        flags=version.flags,
    )


async def explain_absence(
    snapshot: Snapshot, company: Company, metric: Metric, *, period: AskedPeriod, as_of: datetime | None
) -> ExplanationRow:
    """This will say why a company has no value of a metric for a period, and what is missing."""
    consulted = metrics_behind(metric).union(CALENDAR_METRICS)
    beside = await _versions(snapshot, cik=company.cik, metrics=consulted)
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
            _operand(operand, place=place, known=known, company=company, currency=currency) for operand in formula.needs
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


def _asked_place(period: AskedPeriod, *, metric: Metric, standing: Iterable[_Version], company: Company) -> Place:
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

    def is_there(version: _Version) -> bool:
        if kind in ("annual", "quarterly") and version.period_type != kind:
            return False
        if period.end is not None:
            return version.period_end == period.end
        if period.kind == "fiscal":
            days = 0 if kind == "instant" else version.duration_days
            wanted = (period.year, _fiscal_period(period, instant=days == 0))
            return fiscal_label(version.period_end, days, company.latest_fiscal_year_end) == wanted
        if kind == "instant":
            return calendar_label(version.period_end, 0)[0] == period.label
        if kind == "ttm":
            return version.duration_days > 0 and trailing_label(version.period_end) == period.label
        return version.period == period.label

    def nearest(version: _Version) -> tuple[int, float, int, int]:
        distance = distance_from_label(kind, version.period_end, version.calendar_offset)
        return standing_order(distance, version.known_from, version.duration_days, version.period_end)

    there = min(filter(is_there, standing), key=nearest, default=None)
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


def _instead(
    versions: Sequence[_Version], *, company: Company, metric: Metric, period: AskedPeriod, as_of: datetime | None
) -> Iterator[str]:
    """What can be asked instead of a value there is none of."""
    if as_of is not None:
        later = [v for v in versions if v.known_from > as_of and _is_meant(v, period=period, company=company)]
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
