"""Which calendar period of a metric a reader means."""

from queries.errors import QueryError
from queries.metrics.catalogue import Metric
from queries.service.arguments import contradiction
from queries.service.asked_period import AskedPeriod


def calendar_period(metric: Metric, asked: AskedPeriod) -> tuple[str, tuple[str, ...]]:
    """
    The label under which a metric's values of all companies are found, and what is to be said about it.

    A metric that stands at an instant is asked for by the instant or by the year or quarter at whose end it stands.

    Raises:
        QueryError: the period is a company's own, or no value of such a metric can have it.
    """
    if asked.kind != "calendar":
        raise _wrong(
            "companies are compared by calendar periods, not by each company's own", f"use CY{asked.year}, for example"
        )
    if metric.over == "duration":
        if asked.instant:
            raise _wrong(f"{metric.key} covers a span, not an instant", f"use {asked.label.removesuffix('I')}")
        return asked.label, ()
    if asked.trailing:
        raise _wrong(f"{metric.key} stands at an instant", f"use {asked.label.removesuffix('TTM')}I")
    at_end = f"CY{asked.year}Q{asked.quarter or 4}I"
    if asked.label == at_end:
        return at_end, ()
    return at_end, (f"{metric.key} stands at an instant: {asked.label} means {at_end}",)


def _wrong(reason: str, fix: str) -> QueryError:
    return contradiction("period", reason=reason, fix=fix)
