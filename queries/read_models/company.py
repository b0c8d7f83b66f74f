"""Companies as they are known now."""

from datetime import date
from typing import Annotated

import msgspec

from queries.read_models.declaration import ReadModel, column


class FormerNameRow(msgspec.Struct, frozen=True, kw_only=True):
    """A name the company had."""

    name: Annotated[str, column("Name as filed, cleaned for display.", example="APPLE COMPUTER INC")]
    until: Annotated[date | None, column("The last day it had the name, where that is known.", example="2007-01-04")]


class LinkRow(msgspec.Struct, frozen=True, kw_only=True):
    """A company that this one was before, or that it became."""

    cik: Annotated[int, column("Central Index Key of the other company.", example=1288776)]
    company: Annotated[str, column("Its ticker, or its name where it has none.", example="Google Inc.")]
    effective_on: Annotated[date, column("First day under the later CIK.", example="2015-10-02")]


class CompanyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A company and the groups it belongs to."""

    company: Annotated[str, column("Ticker of the company, or its name where it has none.", example="AAPL")]
    cik: Annotated[int, column("Central Index Key, the SEC's number for the company.", example=320193)]
    name: Annotated[str, column("Name as filed, cleaned for display.", example="Apple Inc.")]
    tickers: Annotated[list[str], column("All tickers the company trades under.", example=["AAPL"])]
    sic: Annotated[str | None, column("Standard Industrial Classification code, four digits.", example="3571")]
    sector: Annotated[str | None, column("SIC division, as used by group_by=sector.", example="manufacturing")]
    industry: Annotated[str | None, column("SIC industry, as used by group_by=industry.", example="3571")]
    major_group: Annotated[
        str | None, column("First two digits of the SIC code, as used by group_by=major_group.", example="35")
    ]
    country: Annotated[
        str | None,
        column("Country of the business address, else of incorporation; two letters as in ISO 3166-1.", example="US"),
    ]
    size_class: Annotated[
        str | None, column("The filer's class by its own statement (17 CFR 240.12b-2).", example="large_accelerated")
    ]
    latest_fiscal_year_end: Annotated[
        date | None, column("Last day of the latest fiscal year reported in full.", example="2025-09-27")
    ]
    former_names: Annotated[
        list[FormerNameRow], column("Names it had before, the last one first; each finds it as well.", example=[])
    ]
    predecessors: Annotated[
        list[LinkRow], column("The CIKs it filed under before; series join them with through=predecessors.", example=[])
    ]
    successors: Annotated[list[LinkRow], column("The CIK it goes on under, where it has another by now.", example=[])]


COMPANY = ReadModel(
    name="company",
    row=CompanyRow,
    key=("cik",),
    cache_seconds=30,
    stored={
        "company": (
            "cik",
            "name",
            "tickers",
            "sic",
            "sector",
            "industry",
            "major_group",
            "country",
            "size_class",
            "latest_fiscal_year_end",
        ),
        "company_former_name": ("cik", "name", "until"),
        "company_link": ("cik", "predecessor_cik", "effective_on"),
    },
)
