"""For which kinds of companies a metric makes sense."""

from typing import Literal

from queries.metrics.catalogue import Metric

CompanyKind = Literal["bank", "insurer"]

COMPANY_KINDS: tuple[tuple[CompanyKind, tuple[str, str]], ...] = (
    ("bank", ("6020", "6199")),
    ("bank", ("6712", "6712")),
    ("insurer", ("6300", "6499")),
)
"""The first and the last SIC code of each range of a kind."""


def company_kind(sic: str | None) -> CompanyKind | None:
    """Whether a SIC code is a bank's (6020 to 6199, 6712) or an insurer's (6300 to 6499)."""
    return None if sic is None else next((kind for kind, (low, high) in COMPANY_KINDS if low <= sic <= high), None)


def applies(metric: Metric, sic: str | None) -> bool:
    """Whether a metric makes sense for a company with this SIC code."""
    return company_kind(sic) not in metric.not_for
