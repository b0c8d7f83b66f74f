"""Companies and metrics by the words a reader has."""

from typing import Annotated, Literal

from queries.connections import ReadSources
from queries.metrics.catalogue import Metric
from queries.read_models.search_hit import SEARCH_HIT, SearchHitRow
from queries.service.arguments import Query, argument
from queries.service.companies import CompaniesQuery, FoundCompany, search_page
from queries.service.metrics import fitting_metrics
from queries.service.result import Result, meta_of


class SearchQuery(Query, frozen=True, kw_only=True):
    """What to look for."""

    query: Annotated[
        str,
        argument(
            "Beginning of a ticker, a CIK, a company's name (of today or before) or a word of it; or words of a "
            "metric's name.",
            example="apple",
            min_length=1,
            max_length=100,
        ),
    ]
    kind: Annotated[Literal["any", "company", "metric"], argument("What to look for.", example="any")] = "any"
    limit: Annotated[int, argument("Hits of each kind.", example=10, ge=1, le=50)] = 10


async def search(sources: ReadSources, query: SearchQuery) -> Result:
    """This will list the companies that fit best, then the metrics."""
    async with sources.snapshot() as snapshot:
        hits: list[SearchHitRow] = []
        warnings: list[str] = []
        if query.kind != "metric":
            page, more = await search_page(snapshot, CompaniesQuery(q=query.query, limit=query.limit))
            hits += [_company_hit(company) for company in page]
            if more:
                warnings.append("more companies fit; give more letters, or page through /v1/companies?q=")
        if query.kind != "company":
            hits += [_metric_hit(metric) for metric in fitting_metrics(query.query)[: query.limit]]
        return Result(read_model=SEARCH_HIT, meta=meta_of(snapshot.freshness, warnings=warnings), rows=hits)


def _company_hit(company: FoundCompany) -> SearchHitRow:
    formerly = f"formerly {company.former_name}" if company.former_name else None
    return SearchHitRow(
        kind="company",
        id=company.display if company.tickers else str(company.cik),
        title=company.name,
        detail=", ".join(filter(None, (f"CIK {company.cik}", company.sector, formerly))),
        url=f"/v1/companies/{company.cik}",
    )


def _metric_hit(metric: Metric) -> SearchHitRow:
    return SearchHitRow(
        kind="metric",
        id=metric.key,
        title=metric.label,
        detail=f"{metric.unit}; {metric.description}",
        url=f"/v1/metrics/{metric.key}",
    )
