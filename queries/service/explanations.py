"""Where a value comes from: its filing, formula, operands and earlier versions."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from queries.connections import ReadSources
from queries.errors import QueryError
from queries.metrics.applicability import applies
from queries.metrics.catalogue import Metric, is_changed_by_splits
from queries.read_models.aggregate_fragment import plain
from queries.read_models.explanation import EXPLANATION, ExplanationRow, OperandRow, RevisionRow, SourceRow, SplitRow
from queries.read_models.filing import document_url
from queries.service.absence import Known, metrics_behind, own_currency
from queries.service.arguments import AsOf, Query, argument
from queries.service.asked_period import PERIOD_PATTERN, AskedPeriod, read_period
from queries.service.companies import Company, CompanyReference, as_known_at, find_company
from queries.service.explained_absence import explain_absence, what_there_is
from queries.service.explained_operands import operand_row
from queries.service.filings import FilingKnown, broken_checks, filings_named
from queries.service.metrics import find_metrics
from queries.service.result import Result, meta_of
from queries.service.splits import share_values, shown, split_factor, splits_known, splits_since
from queries.service.value_versions import ValueVersion, is_meant, versions_of
from queries.tables import Snapshot


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
        versions = await versions_of(snapshot, cik=company.cik, metrics=(metric.key,))
        if not applies(metric, company.sic_then):
            versions = []
        version = _chosen(versions, company=company, period=period, as_of=query.as_of)
        if version is None:
            row = await explain_absence(snapshot, company, metric, period=period, as_of=query.as_of)
            warnings += what_there_is(versions, company=company, metric=metric, period=period, as_of=query.as_of)
        else:
            row = await _present(snapshot, company, metric, version, versions=versions, as_of=query.as_of)
        if company.parked:
            warnings.append(f"parked: events of {company.display} wait; what is shown may be behind")
        return Result(
            read_model=EXPLANATION,
            meta=meta_of(snapshot.freshness, as_of=query.as_of, warnings=warnings),
            rows=[row],
        )


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
    versions: Sequence[ValueVersion], *, company: Company, period: AskedPeriod, as_of: datetime | None
) -> ValueVersion | None:
    meant = [v for v in versions if v.stands_at(as_of) and is_meant(v, period=period, company=company)]
    if len({version.period_type for version in meant}) > 1:
        raise QueryError(
            code="ambiguous_period",
            message=f"several periods of {company.display} end on {period.label}",
            fix="Ask again with one of the candidates.",
            candidates=sorted({version.period for version in meant if version.period}),
        )
    return min(meant, key=lambda version: version.nearness(version.period_type), default=None)


async def _present(
    snapshot: Snapshot,
    company: Company,
    metric: Metric,
    version: ValueVersion,
    *,
    versions: Iterable[ValueVersion],
    as_of: datetime | None,
) -> ExplanationRow:
    operands: list[OperandRow] = []
    formula = version.formula
    if formula is not None:
        beside = await versions_of(snapshot, cik=company.cik, metrics=metrics_behind(metric))
        standing = [other for other in beside if other.stands_at(version.known_from)]
        known = Known(standing)
        currency = own_currency(other.unit for other in standing if other.period_end == version.period_end)
        operands = [
            operand_row(operand, place=version.place, known=known, company=company, currency=currency)
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
                known_from=split.filed_from,
                accession=split.accession,
                url=document_url(cik=company.cik, accession=split.accession),
            )
            for split in splits or ()
        ],
        broken_checks=await broken_checks(snapshot, cik=company.cik, accessions=stands_on),
        flags=[*version.flags, "parked"] if company.parked else version.flags,
    )


def _revision(past: ValueVersion, *, company: Company, as_of: datetime | None) -> RevisionRow:
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
