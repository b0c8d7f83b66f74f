"""For which kinds of companies a metric makes sense."""

from typing import Literal

from queries.metrics.catalogue import Metric

CompanyKind = Literal["bank", "insurer"]

SicRange = tuple[str, str]
"""The first and the last SIC code of a range."""

_KINDS: tuple[tuple[CompanyKind, SicRange], ...] = (
    ("bank", ("6020", "6199")),
    ("bank", ("6712", "6712")),
    ("insurer", ("6300", "6499")),
)


def company_kind(sic: str | None) -> CompanyKind | None:
    """Whether a SIC code is a bank's (6020 to 6199, 6712) or an insurer's (6300 to 6499)."""
    return None if sic is None else next((kind for kind, (low, high) in _KINDS if low <= sic <= high), None)


def applies(metric: Metric, sic: str | None) -> bool:
    """Whether a metric makes sense for a company with this SIC code."""
    return company_kind(sic) not in metric.not_for


def excluded(metric: Metric) -> list[SicRange]:
    """The SIC codes of the companies for which a metric makes no sense."""
    return [codes for kind, codes in _KINDS if kind in metric.not_for]
