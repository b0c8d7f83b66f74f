"""For which kinds of companies a metric makes sense."""

from typing import Literal

from queries.metrics.catalogue import Metric

CompanyKind = Literal["bank", "insurer"]


def company_kind(sic: str | None) -> CompanyKind | None:
    """Whether a SIC code is a bank's (6020 to 6199, 6712) or an insurer's (6300 to 6499)."""
    code = int(sic) if sic else 0
    if 6020 <= code <= 6199 or code == 6712:
        return "bank"
    return "insurer" if 6300 <= code <= 6499 else None


def applies(metric: Metric, sic: str | None) -> bool:
    """Whether a metric makes sense for a company with this SIC code."""
    return company_kind(sic) not in metric.not_for
