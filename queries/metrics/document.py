"""The catalogue as a page people read: each metric with its unit, its concepts or formula, and what is special."""

from collections.abc import Iterable, Iterator
from typing import Final

from queries.metrics.catalogue import Catalogue, Metric, is_changed_by_splits

BEGIN: Final = "<!-- metrics: written by `manage.py figures_doc` from the catalogue -->"
END: Final = "<!-- metrics: end -->"

_STATEMENTS = {
    "income": "Income statement",
    "balance": "Balance sheet",
    "cash_flow": "Cash flow",
    "cover": "Cover page",
    "derived": "Worked out",
    "ratio": "Ratios and growth",
}


class PageHasNoPlace(Exception):
    """The page lacks the two marker lines between which the metrics stand; put them back."""


def with_metrics(page: str, catalogue: Catalogue) -> str:
    """
    This will give the page with its part about the metrics written anew.

    Raises:
        PageHasNoPlace: the markers are not there, or not in order.
    """
    before, begin, rest = page.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise PageHasNoPlace(f"the lines {BEGIN!r} and {END!r} are not there")
    return f"{before}{begin}\n{metrics_in_words(catalogue)}\n{end}{after}"


def metrics_in_words(catalogue: Catalogue) -> str:
    """This will list every metric by statement, in catalogue order."""
    return "".join(
        "\n".join(_table(title, [metric for metric in catalogue.metrics if metric.statement == statement]))
        for statement, title in _STATEMENTS.items()
    )


def _table(title: str, metrics: Iterable[Metric]) -> Iterator[str]:
    yield f"### {title}\n"
    yield "| key | metric | unit | from | to be known |"
    yield "|---|---|---|---|---|"
    for metric in metrics:
        cells = (f"`{metric.key}`", metric.label, metric.unit, _origin(metric), "; ".join(_remarks(metric)))
        yield f"| {' | '.join(cells)} |"
    yield "\n"


def _origin(metric: Metric) -> str:
    concepts = ", ".join(f"`{concept}`" for concept in metric.concepts)
    if metric.formula is None:
        return concepts
    return f"{concepts}; else `{metric.formula}`" if concepts else f"`{metric.formula}`"


def _remarks(metric: Metric) -> Iterator[str]:
    if metric.over == "instant":
        yield "at an instant"
    if metric.selection == "largest_total":
        yield "largest total of " + ", ".join(f"`{concept}`" for concept in metric.selection_set)
    if metric.gross_concepts:
        yield "gross where above another total: " + ", ".join(f"`{concept}`" for concept in metric.gross_concepts)
    if metric.continuing_concepts:
        yield "continuing operations: " + ", ".join(f"`{concept}`" for concept in metric.continuing_concepts)
    if metric.negated_concepts:
        yield "opposite sign of " + ", ".join(f"`{concept}`" for concept in metric.negated_concepts)
    if metric.undefined_if:
        yield f"undefined if `{metric.undefined_if}`"
    if metric.not_for:
        yield "not for " + " or ".join(f"{kind}s" for kind in metric.not_for)
    if is_changed_by_splits(metric):
        yield "changed by splits"
    if metric.additive:
        yield "additive"
    if metric.never_negative:
        yield "never negative"
    if not metric.published:
        yield "an operand only"
