"""The metric catalogue: which figures exist, and from which concepts or formula each is made."""

from collections.abc import Mapping
from functools import cache, cached_property
from importlib import resources
from typing import Literal

import msgspec

from queries.metrics.formula import Formula, Operand, parse_formula


class CatalogueInvalid(Exception):
    """The catalogue file contradicts itself; mend the entry named in the message."""


class Metric(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One entry of the catalogue.

    `reported` metrics are read from `concepts` in order of preference and fall back to `formula`;
    `derived` and `ratio` metrics are always worked out. `over` says whether a value covers a
    duration or stands at an instant. `gross_concepts` may hold what the other totals are net of: where a filing states
    such a total above zero, and these above it, they are none. `continuing_concepts` leave discontinued operations out:
    they feed nothing where a filing tells them apart from the total. What is `never_negative` has the opposite
    sign where it is filed with a minus, and no part of it exceeds its whole.
    """

    key: str
    label: str
    description: str
    kind: Literal["reported", "derived", "ratio"]
    over: Literal["duration", "instant"]
    unit: Literal["USD", "USD/shares", "shares", "pure", "days"]
    statement: Literal["income", "balance", "cash_flow", "cover", "derived", "ratio"]
    concepts: tuple[str, ...] = ()
    selection: Literal["first", "largest_total"] = "first"
    selection_set: tuple[str, ...] = ()
    gross_concepts: tuple[str, ...] = ()
    continuing_concepts: tuple[str, ...] = ()
    negated_concepts: tuple[str, ...] = ()
    formula: str | None = None
    undefined_if: str | None = None
    category: str | None = None
    display: Literal["percent"] | None = None
    not_for: tuple[Literal["bank", "insurer"], ...] = ()
    additive: bool = False
    never_negative: bool = False
    split_sensitive: bool = False
    published: bool = True


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """All metrics in catalogue order."""

    metrics: tuple[Metric, ...]

    def by_key(self) -> Mapping[str, Metric]:
        """This will index every metric, operands included, by its key."""
        return self._by_key

    @cached_property
    def _by_key(self) -> Mapping[str, Metric]:
        return {metric.key: metric for metric in self.metrics}

    def published(self) -> tuple[Metric, ...]:
        """This will list the metrics a reader may ask for."""
        return tuple(metric for metric in self.metrics if metric.published)


@cache
def load_catalogue() -> Catalogue:
    """
    This will read and check the catalogue that ships with this package, once a process.

    Raises:
        CatalogueInvalid: a key is used twice, or a formula names an unknown metric.
    """
    raw = resources.files("queries.metrics").joinpath("catalogue.json").read_bytes()
    catalogue = msgspec.json.decode(raw, type=Catalogue)
    keys = {metric.key for metric in catalogue.metrics}
    if len(keys) != len(catalogue.metrics):
        raise CatalogueInvalid("a metric key is used twice")
    for metric in catalogue.metrics:
        for text in filter(None, (metric.formula, metric.undefined_if)):
            unknown = parse_formula(text).operands() - keys
            if unknown:
                raise CatalogueInvalid(f"{metric.key}: formula names unknown metrics {sorted(unknown)}")
    return catalogue


@cache
def formula_of(key: str) -> Formula | None:
    """This will give the parsed formula of a metric, or None when it has none."""
    text = load_catalogue().by_key()[key].formula
    return parse_formula(text) if text else None


@cache
def share_operands(key: str) -> tuple[Operand, ...]:
    """The operands by which share splits reach a metric that is worked out per share."""
    metrics = load_catalogue().by_key()
    formula = formula_of(key)
    if formula is None or "shares" not in metrics[key].unit:
        return ()
    return tuple(operand for operand in formula.needs if metrics[operand.metric].split_sensitive)


def is_changed_by_splits(metric: Metric) -> bool:
    """Whether a share split changes the metric, as filed or by what it is worked out from."""
    return metric.split_sensitive or bool(share_operands(metric.key))
