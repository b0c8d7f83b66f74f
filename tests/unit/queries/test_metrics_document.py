"""The list of metrics in docs/figures.md."""

from pathlib import Path

import pytest

from queries.metrics.catalogue import load_catalogue
from queries.metrics.document import BEGIN, END, PageHasNoPlace, metrics_in_words, with_metrics

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "figures.md"


def test_of_the_docs_is_that_of_the_catalogue() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert with_metrics(page, load_catalogue()) == page


def test_names_every_metric_once() -> None:
    text = metrics_in_words(load_catalogue())

    assert [text.count(f"\n| `{metric.key}` |") for metric in load_catalogue().metrics] == [1] * len(
        load_catalogue().metrics
    )


def test_leaves_the_rest_of_the_page_alone() -> None:
    page = with_metrics(f"before\n{BEGIN}\nold\n{END}\nafter\n", load_catalogue())

    assert page.startswith(f"before\n{BEGIN}\n")
    assert page.endswith(f"{END}\nafter\n")
    assert "old\n" not in page


def test_needs_its_place() -> None:
    with pytest.raises(PageHasNoPlace):
        with_metrics("a page without markers", load_catalogue())
