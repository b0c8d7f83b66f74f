"""The operands of a formula as they were found, or why they were not."""

from queries.metrics.catalogue import load_catalogue
from queries.metrics.formula import Operand
from queries.read_models.aggregate_fragment import plain
from queries.read_models.explanation import OperandRow
from queries.read_models.filing import document_url
from queries.service.absence import Known, Place, place_of, unit_in, why_absent
from queries.service.companies import Company
from queries.service.value_versions import ValueVersion


def operand_row(
    operand: Operand, *, place: Place, known: Known[ValueVersion], company: Company, currency: str
) -> OperandRow:
    """This will say what an operand of a formula that looks from a place was, or why there was none."""
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
