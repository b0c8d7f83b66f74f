from typing import Any

import msgspec
import pytest

from projections.rules import EDITION, fingerprint
from queries.metrics.catalogue import Catalogue, Metric, load_catalogue


def changed(key: str, /, **values: Any) -> Catalogue:
    """Today's catalogue with one metric that says something else."""
    catalogue = load_catalogue()
    return msgspec.structs.replace(
        catalogue,
        metrics=tuple(
            msgspec.structs.replace(metric, **values) if metric.key == key else metric for metric in catalogue.metrics
        ),
    )


def of(key: str) -> Metric:
    return load_catalogue().by_key()[key]


class TestFingerprint:
    @pytest.mark.parametrize(
        ("key", "values"),
        [
            ("net_margin", {"formula": "net_income / total_assets"}),
            ("net_margin", {"undefined_if": "revenue <= 0"}),
            ("net_margin", {"unit": "days"}),
            ("net_margin", {"over": "instant"}),
            ("gross_margin", {"not_for": ()}),
            ("revenue", {"concepts": of("revenue").concepts[::-1]}),
            ("revenue", {"selection": "first"}),
            ("revenue", {"selection_set": ()}),
            ("revenue", {"gross_concepts": ()}),
            ("eps_basic", {"continuing_concepts": ()}),
            ("revenue", {"negated_concepts": of("revenue").concepts[:1]}),
            ("revenue", {"additive": False}),
            ("capex", {"never_negative": False}),
            ("revenue", {"key": "turnover"}),
        ],
    )
    def test_changes_with_what_a_metric_means(self, key: str, values: dict[str, Any]) -> None:
        assert changed(key, **values) != load_catalogue()
        assert fingerprint(changed(key, **values)) != fingerprint(load_catalogue())

    @pytest.mark.parametrize(
        "values", [{"label": "Sales"}, {"description": "All of it."}, {"published": False}, {"display": "percent"}]
    )
    def test_stays_where_a_metric_is_only_told_of_otherwise(self, values: dict[str, Any]) -> None:
        assert fingerprint(changed("revenue", **values)) == fingerprint(load_catalogue())

    def test_does_not_depend_on_the_order_of_metrics(self) -> None:
        catalogue = load_catalogue()
        turned = msgspec.structs.replace(catalogue, metrics=catalogue.metrics[::-1])

        assert fingerprint(turned) == fingerprint(catalogue)

    def test_changes_with_a_metric_more_or_less_and_with_the_code(self) -> None:
        catalogue = load_catalogue()
        fewer = msgspec.structs.replace(catalogue, metrics=catalogue.metrics[1:])

        assert len({fingerprint(catalogue), fingerprint(fewer), fingerprint(catalogue, edition=EDITION + 1)}) == 3
