"""What the rows of aggregates say beside the statistics."""

from decimal import Decimal

import pytest

from queries.metrics.catalogue import load_catalogue
from queries.read_models.aggregate_fragment import Parts, weighted, weighted_change


@pytest.mark.parametrize(
    ("metric", "numerator", "denominator", "expected"),
    [
        ("net_margin", "96995", "383285", "0.253062342643"),
        ("revenue_growth_yoy", "383285", "394328", "-0.028004605303"),
        ("net_margin", "1", "0", None),
        ("net_margin", None, None, None),
        ("revenue", "1", "2", None),
        ("revenue_cagr_3y", "1", "2", None),
    ],
)
def test_the_ratio_of_the_sums(
    metric: str, numerator: str | None, denominator: str | None, expected: str | None
) -> None:
    parts = [None if part is None else Decimal(part) for part in (numerator, denominator)]

    found = weighted(load_catalogue().by_key()[metric], *parts)

    assert found == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("metric", "now", "before", "expected"),
    [
        ("net_margin", ("96995", "383285"), ("99803", "394328"), "-0.000034064409"),
        ("revenue_growth_yoy", ("110", "100"), ("105", "100"), "0.05"),
        ("days_inventory", ("365", "10"), ("365", "20"), "18.25"),
        ("net_margin", ("1", "2"), ("1", "0"), None),
        ("net_margin", ("1", "2"), (None, None), None),
        ("book_value_per_share", ("3", "2"), ("1", "2"), None),
        ("revenue", ("1", "2"), ("1", "3"), None),
        ("cash_conversion_cycle", ("1", "2"), ("1", "3"), None),
    ],
)
def test_what_the_ratio_of_the_sums_has_changed_by(
    metric: str, now: tuple[str, str], before: tuple[str | None, str | None], expected: str | None
) -> None:
    found = weighted_change(load_catalogue().by_key()[metric], now=_parts(*now), before=_parts(*before))

    assert found == (None if expected is None else Decimal(expected))


def _parts(above: str | None, below: str | None) -> Parts:
    return None if above is None else Decimal(above), None if below is None else Decimal(below)
