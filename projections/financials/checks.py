"""Accounting identities, looked at in every filing that states both sides."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal, DivisionByZero, InvalidOperation
from functools import cache

import msgspec

from projections.financials.copies import Copy, Span, metrics_fed
from projections.financials.reported import BrokenChecks
from projections.financials.rounding import rounded
from projections.financials.selection import select
from queries.metrics.catalogue import Metric, load_catalogue
from queries.metrics.formula import Formula, Operand, OperandMissing, parse_formula

TOLERANCE = Decimal("0.005")
"""What two sides may differ by, as a share of the larger."""


class Check(msgspec.Struct, frozen=True):
    """One identity: a stated metric and the formula it should equal within one filing, give or take `tolerance`."""

    name: str
    stated: str
    expected: Formula
    tolerance: Decimal = TOLERANCE
    only_flags: frozenset[str] | None = None

    def metrics(self) -> frozenset[str]:
        """Every metric the identity speaks of."""
        return frozenset((self.stated, *self.expected.operands()))

    def flagged(self) -> frozenset[str]:
        """The metrics that a failure casts doubt on."""
        return self.metrics() if self.only_flags is None else self.only_flags


CHECKS = (
    Check("balance", "total_assets", parse_formula("liabilities_and_equity")),
    Check("gross_profit", "gross_profit", parse_formula("revenue - cost_of_revenue")),
    Check("operating_income", "operating_income", parse_formula("gross_profit - operating_expenses")),
    Check(
        "net_income",
        "net_income_incl_nci",
        parse_formula("pretax_income - income_tax + or_zero(discontinued_operations)"),
    ),
    # Share counts filed in millions go unnoticed for years: only a wrong power of ten is looked for.
    Check(
        "earnings_per_share",
        "shares_diluted",
        parse_formula("net_income / eps_diluted"),
        tolerance=Decimal("0.9"),
        only_flags=frozenset({"shares_basic", "shares_diluted", "eps_basic", "eps_diluted"}),
    ),
    Check(
        "cash",
        "cash_change",
        parse_formula(
            "operating_cash_flow + investing_cash_flow + financing_cash_flow + or_zero(exchange_rate_effect)"
        ),
    ),
)


class BrokenCheck(msgspec.Struct, frozen=True):
    """An identity a filing breaks, with both sides."""

    accession: str
    check_name: str
    period_start: date | None
    period_end: date
    duration_days: int
    stated: Decimal
    expected: Decimal


def find_broken(copies: Iterable[Copy]) -> list[BrokenCheck]:
    """This will check every identity in every filing and span, and list those that fail."""
    checked = _checked_metrics()
    stated: dict[tuple[str, Span], dict[str, list[Copy]]] = defaultdict(lambda: defaultdict(list))
    for copy in copies:
        for metric in metrics_fed(copy.concept, copy.unit, copy.days):
            if metric.key in checked:
                stated[copy.accession, Span(copy.end, copy.days)][metric.key].append(copy)
    return [
        broken
        for (accession, span), of_metric in stated.items()
        if len(of_metric) > 1
        for check in CHECKS
        if check.stated in of_metric and (broken := _broken(check, accession, span, of_metric))
    ]


def broken_by_span(found: Iterable[BrokenCheck]) -> dict[Span, BrokenChecks]:
    """For each span, the filings that break a check there and the metrics involved."""
    flagged = {check.name: check.flagged() for check in CHECKS}
    spans: dict[Span, dict[str, frozenset[str]]] = defaultdict(dict)
    for broken in found:
        of_span = spans[Span(broken.period_end, broken.duration_days)]
        of_span[broken.accession] = of_span.get(broken.accession, frozenset()) | flagged[broken.check_name]
    return {span: dict(of_span) for span, of_span in spans.items()}


def _broken(check: Check, accession: str, span: Span, copies: Mapping[str, list[Copy]]) -> BrokenCheck | None:
    currencies: set[str] = set()

    def lookup(operand: Operand) -> Decimal | None:
        found = copies.get(operand.metric)
        if not found:
            return None
        copy, _ = select(_checked_metrics()[operand.metric], found)
        if copy.unit[:3].isupper():
            currencies.add(copy.unit[:3])
        return copy.value

    stated = lookup(Operand(check.stated))
    try:
        expected = check.expected.compute(lookup)
    except (OperandMissing, DivisionByZero, InvalidOperation):
        return None
    if stated is None or len(currencies) > 1:
        return None
    if abs(stated - expected) <= check.tolerance * max(abs(stated), abs(expected)):
        return None
    start = copies[check.stated][0].start
    return BrokenCheck(accession, check.name, start, span.end, span.days, stated, rounded(expected))


@cache
def _checked_metrics() -> dict[str, Metric]:
    keys = {key for check in CHECKS for key in check.metrics()}
    return {metric.key: metric for metric in load_catalogue().metrics if metric.key in keys}
