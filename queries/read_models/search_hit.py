"""What a search over companies and metrics finds."""

from typing import Annotated

import msgspec

from queries.read_models.declaration import ReadModel, column


class SearchHitRow(msgspec.Struct, frozen=True, kw_only=True):
    """A company or metric that fits the words searched for."""

    kind: Annotated[str, column("`company` or `metric`.", example="company")]
    id: Annotated[str, column("What to ask other operations for: a ticker, CIK or metric key.", example="AAPL")]
    title: Annotated[str, column("Name for people.", example="Apple Inc.")]
    detail: Annotated[
        str,
        column(
            "CIK and sector of a company, and a name it had where that fits; unit and meaning of a metric.",
            example="CIK 320193, manufacturing",
        ),
    ]
    url: Annotated[str, column("Where to read on, below this installation.", example="/v1/companies/320193")]


SEARCH_HIT = ReadModel(
    name="search_hit",
    row=SearchHitRow,
    key=("kind", "id"),
    cache_seconds=30,
    stored={"company": ("cik", "name", "tickers", "sector"), "company_former_name": ("cik", "name")},
)
