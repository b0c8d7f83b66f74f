"""What the rows of aggregates say beside the statistics."""

from decimal import Decimal

import pytest

from queries.metrics.catalogue import load_catalogue
from queries.read_models.aggregate_fragment import weighted


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
