"""Where a value comes from: its filing, formula, operands and earlier versions."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated

import msgspec

from queries.connections import ReadSources, Snapshot
from queries.errors import QueryError
from queries.metrics.catalogue import Metric, formula_of, load_catalogue
from queries.metrics.formula import Formula, Operand
from queries.metrics.periods import fiscal_label, year_before
from queries.read_models.aggregate_fragment import plain
from queries.read_models.explanation import EXPLANATION, ExplanationRow, OperandRow, RevisionRow, SourceRow
from queries.read_models.filing import document_url
from queries.service.arguments import AsOf, Query, argument
from queries.service.asked_period import PERIOD_PATTERN, AskedPeriod, read_period
from queries.service.companies import Company, CompanyReference, find_company
from queries.service.metrics import find_metrics
from queries.service.result import Result, meta_of
from queries.service.statements import load_statements

_SQL = load_statements("explanations.sql")
_COUNTERPART_REACH = timedelta(days=20)
_CANDIDATES = 12


class ExplainQuery(Query, frozen=True, kw_only=True):
    """Which value to explain."""

    company: CompanyReference
    metric: Annotated[str, argument("Key of a metric, see /v1/metrics.", example="revenue", max_length=60)]
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
    period_type: str
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

    def stands_at(self, instant: datetime | None) -> bool:
        if instant is None:
            return self.known_to is None
        return self.known_from <= instant and (self.known_to is None or instant < self.known_to)


async def explain_value(sources: ReadSources, query: ExplainQuery) -> Result:
    """
    This will explain one value.

    Raises:
        QueryError: the company, metric or period is unknown or ambiguous, or there is no such value.
    """
    metric = find_metrics((query.metric,))[0]
    warnings: list[str] = []
    period = _fitting(query.period, metric=metric, warnings=warnings)
    async with sources.snapshot() as snapshot:
        company = await find_company(snapshot, query.company)
        versions = await _versions(snapshot, cik=company.cik, metrics=(metric.key,))
        version = _chosen(versions, company=company, metric=metric, period=period, as_of=query.as_of)
        formula = version.formula
        operands: list[OperandRow] = []
        if formula is not None:
            needed = sorted(formula.operands())
            beside = await _versions(snapshot, cik=company.cik, metrics=needed)
            operands = [
                _operand(operand, result=version, versions=beside, company=company) for operand in formula.needs
            ]
        history = [
            past
            for past in versions
            if past.span == version.span and (query.as_of is None or past.known_from <= query.as_of)
        ]
        row = _row(
            company, metric, version, formula=formula.text if formula else None, operands=operands, history=history
        )
        return Result(
            read_model=EXPLANATION,
            meta=meta_of(snapshot.freshness, as_of=query.as_of, warnings=warnings),
            rows=[row],
        )


async def _versions(snapshot: Snapshot, *, cik: int, metrics: Sequence[str]) -> list[_Version]:
    return await snapshot.fetch(_Version, _SQL["versions"], {"cik": cik, "metrics": list(metrics)})


def _fitting(period: AskedPeriod, *, metric: Metric, warnings: list[str]) -> AskedPeriod:
    """The same period in the form the metric's periods are labelled with."""
    if metric.over == "instant" and period.kind == "calendar" and not period.instant:
        meant = msgspec.structs.replace(period, quarter=period.quarter or 4, instant=True)
        warnings.append(f"{metric.key} stands at an instant: {period.label} means {meant.label}")
        return meant
    if metric.over == "duration" and period.instant:
        meant = msgspec.structs.replace(period, instant=False)
        warnings.append(f"{metric.key} covers a duration: {period.label} means {meant.label}")
        return meant
    return period


def _chosen(
    versions: Sequence[_Version], *, company: Company, metric: Metric, period: AskedPeriod, as_of: datetime | None
) -> _Version:
    standing = [version for version in versions if version.stands_at(as_of)]
    meant = [version for version in standing if _is_meant(version, period=period, company=company)]
    if not meant:
        raise _unknown_value(versions, company=company, metric=metric, period=period, as_of=as_of, standing=standing)
    if len({version.period_type for version in meant}) > 1:
        raise QueryError(
            code="ambiguous_period",
            message=f"several periods of {company.display} end on {period.label}",
            fix="Ask again with one of the candidates.",
            candidates=sorted({version.period for version in meant if version.period}),
        )
    return min(meant, key=lambda version: (abs(version.calendar_offset), -version.known_from.timestamp()))


def _is_meant(version: _Version, *, period: AskedPeriod, company: Company) -> bool:
    if period.kind == "calendar":
        return version.period == period.label
    if version.period_type == "ttm":
        return False
    if period.end is not None:
        return version.period_end == period.end
    wanted = f"Q{period.quarter}" if period.quarter else "FY"
    if version.duration_days == 0 and wanted == "Q4":
        wanted = "FY"
    return version.fiscal(company) == (period.year, wanted)


def _unknown_value(
    versions: Sequence[_Version],
    *,
    company: Company,
    metric: Metric,
    period: AskedPeriod,
    as_of: datetime | None,
    standing: Sequence[_Version],
) -> QueryError:
    labels = sorted({version.period for version in standing if version.period}, key=lambda label: _near(label, period))
    known_later = as_of is not None and any(_is_meant(v, period=period, company=company) for v in versions)
    return QueryError(
        code="unknown_value",
        message=f"{company.display} has no {metric.key} for {period.label}" + (" at that time" if known_later else ""),
        fix="It became known after as_of; ask with a later one."
        if known_later
        else "Use one of the candidates, periods for which there is a value."
        if labels
        else f"{company.display} reported nothing this metric can be read from; see its series for what there is.",
        candidates=sorted(labels[:_CANDIDATES]),
    )


def _near(label: str, period: AskedPeriod) -> tuple[int, int, str]:
    quarterly = "Q" in label
    return abs(int(label[2:6]) - period.year), quarterly != bool(period.quarter), label


def _operand(operand: Operand, *, result: _Version, versions: Iterable[_Version], company: Company) -> OperandRow:
    metric = load_catalogue().by_key()[operand.metric]
    over = metric.over
    kind = "instant" if over == "instant" else "ttm" if operand.span == "ttm" else result.period_type
    day = year_before(result.period_end, operand.years_ago)
    alike = [
        version
        for version in versions
        if version.metric == operand.metric
        and version.stands_at(result.known_from)
        and version.period_type == kind
        and (version.duration_days == 0) == (over == "instant")
    ]
    reach = _COUNTERPART_REACH if operand.years_ago else timedelta(0)
    near = [version for version in alike if abs(version.period_end - day) <= reach]
    role = f"years_ago:{operand.years_ago}" if operand.years_ago else "ttm" if operand.span == "ttm" else "value"
    if not near:
        return OperandRow(
            metric=metric.key,
            role=role,
            period=None,
            period_start=None,
            period_end=None if operand.years_ago else result.period_end,
            value=None,
            unit=metric.unit,
            accession=None,
            form=None,
            filed_on=None,
            known_from=None,
            concept=None,
            formula=None,
            url=None,
            flags=["counted_as_zero" if operand.optional else "not_reported"],
        )
    version = min(near, key=lambda v: (abs(v.period_end - day), abs(v.duration_days - result.duration_days)))
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
        known_from=version.known_from,
        concept=version.concept,
        formula=formula.text if formula else None,
        url=document_url(cik=company.cik, accession=version.accession),
        flags=version.flags,
    )


class _Source(msgspec.Struct, frozen=True, kw_only=True):
    sign: int
    concept: str | None
    start: date | None
    end: date
    value: Decimal
    accession: str


def _sources(company: Company, version: _Version) -> list[SourceRow]:
    if version.sources is None:
        return []
    return [
        SourceRow(
            sign=source.sign,
            concept=source.concept,
            period_start=source.start,
            period_end=source.end,
            value=plain(source.value),
            accession=source.accession,
            url=document_url(cik=company.cik, accession=source.accession),
        )
        for source in msgspec.json.decode(version.sources, type=list[_Source])
    ]


def _row(
    company: Company,
    metric: Metric,
    version: _Version,
    *,
    formula: str | None,
    operands: list[OperandRow],
    history: Sequence[_Version],
) -> ExplanationRow:
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
        known_from=version.known_from,
        known_to=version.known_to,
        accession=version.accession,
        form=version.form,
        filed_on=version.filed_on,
        concept=version.concept,
        url=document_url(cik=company.cik, accession=version.accession),
        formula=formula,
        operands=operands,
        sources=_sources(company, version),
        revisions=[
            RevisionRow(
                revision=past.revision,
                value=plain(past.value),
                known_from=past.known_from,
                known_to=past.known_to,
                accession=past.accession,
                form=past.form,
                filed_on=past.filed_on,
                concept=past.concept,
                url=document_url(cik=company.cik, accession=past.accession),
            )
            for past in history
        ],
        flags=version.flags,
    )
