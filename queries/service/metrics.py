"""Which metrics there are."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated

from queries.connections import ReadSources
from queries.errors import QueryError
from queries.metrics.catalogue import Metric, is_changed_by_splits, load_catalogue
from queries.read_models.metric import METRIC, MetricRow
from queries.service.arguments import Query, argument
from queries.service.result import Result, meta_of

_CANDIDATES = 5


class MetricsQuery(Query, frozen=True, kw_only=True):
    """Which part of the catalogue to list."""

    statement: Annotated[
        str | None,
        argument(
            "Only metrics of this statement: income, balance, cash_flow, cover, derived or ratio.",
            example="income",
            pattern="^(income|balance|cash_flow|cover|derived|ratio)$",
        ),
    ] = None


class MetricQuery(Query, frozen=True, kw_only=True):
    """Which metric to show."""

    metric: Annotated[
        str, argument("Key of a metric.", example="revenue", min_length=1, max_length=60, in_path=True, of="MetricKey")
    ]


async def list_metrics(sources: ReadSources, query: MetricsQuery) -> Result:
    """This will list the catalogue in its own order."""
    wanted = (metric for metric in load_catalogue().published() if query.statement in (None, metric.statement))
    return await _result(sources, wanted)


async def show_metric(sources: ReadSources, query: MetricQuery) -> Result:
    """
    This will show one metric.

    Raises:
        QueryError: there is no such metric.
    """
    return await _result(sources, find_metrics((query.metric,)))


def find_metrics(keys: Sequence[str]) -> list[Metric]:
    """
    This will find metrics by their keys, in the order asked, each once.

    Raises:
        QueryError: there is no metric of that key; `candidates` say which ones are near.
    """
    published = _published()
    for key in keys:
        if key not in published:
            by_label = {metric.label.lower(): metric.key for metric in published.values()}
            near = difflib.get_close_matches(key.lower(), [*published, *by_label], n=_CANDIDATES, cutoff=0.5)
            found = [metric.key for metric in fitting_metrics(key)]
            raise QueryError(
                code="unknown_metric",
                message=f"there is no metric {key!r}",
                fix="Use a key of the catalogue, see /v1/metrics.",
                candidates=list(dict.fromkeys([*found, *(by_label.get(name, name) for name in near)]))[:_CANDIDATES],
            )
    return [published[key] for key in dict.fromkeys(keys)]


def fitting_metrics(text: str) -> list[Metric]:
    """The metrics whose names, or else descriptions, have all words of a text, best fit first."""
    words = text.lower().replace("_", " ").split()
    if not words:
        return []

    def fit(metric: Metric) -> int | None:
        name = f" {metric.key.replace('_', ' ')} {metric.label.lower()}"
        if all(f" {word}" in name for word in words):
            return 0 if " ".join(words) in (metric.key.replace("_", " "), metric.label.lower()) else 1
        return 2 if all(word in f"{name} {metric.description.lower()}" for word in words) else None

    ranked = [(rank, metric) for metric in load_catalogue().published() if (rank := fit(metric)) is not None]
    return [metric for _, metric in sorted(ranked, key=lambda pair: pair[0])]


@cache
def _published() -> Mapping[str, Metric]:
    return {metric.key: metric for metric in load_catalogue().published()}


async def _result(sources: ReadSources, metrics: Iterable[Metric]) -> Result:
    async with sources.snapshot() as snapshot:
        return Result(
            read_model=METRIC, meta=meta_of(snapshot.freshness), rows=[metric_row(metric) for metric in metrics]
        )


def metric_row(metric: Metric) -> MetricRow:
    """The row by which readers are told of a metric."""
    return MetricRow(
        metric=metric.key,
        label=metric.label,
        description=metric.description,
        kind=metric.kind,
        over=metric.over,
        unit=metric.unit,
        statement=metric.statement,
        category=metric.category,
        formula=metric.formula,
        undefined_if=metric.undefined_if,
        concepts=list(metric.concepts),
        not_for=list(metric.not_for),
        additive=metric.additive,
        split_sensitive=is_changed_by_splits(metric),
    )
