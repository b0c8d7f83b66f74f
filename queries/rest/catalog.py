"""Every operation that can be asked, one entry each."""

from typing import Any

from queries.read_models.aggregate import AGGREGATE
from queries.read_models.change import CHANGE
from queries.read_models.company import COMPANY
from queries.read_models.comparison import COMPARISON
from queries.read_models.data_status import DATA_STATUS
from queries.read_models.declaration import ReadModel, columns_of
from queries.read_models.explanation import EXPLANATION, OperandRow, RevisionRow, SourceRow
from queries.read_models.filing import FILING
from queries.read_models.frame import FRAME
from queries.read_models.metric import METRIC
from queries.read_models.peer import PEER
from queries.read_models.ranking import RANKING
from queries.read_models.screen import SCREEN, ScreenedValueRow
from queries.read_models.search_hit import SEARCH_HIT
from queries.read_models.series import SERIES
from queries.read_models.standing import STANDING
from queries.rest.operation import Operation, Question, Tool
from queries.service.aggregates import group_aggregates
from queries.service.aggregates_query import AggregatesQuery
from queries.service.change_query import ChangesQuery, StreamQuery
from queries.service.changes import list_changes
from queries.service.companies import CompaniesQuery, CompanyQuery, list_companies, show_company
from queries.service.comparisons import CompareQuery, compare_companies
from queries.service.explanations import ExplainQuery, explain_value
from queries.service.filings import FilingsQuery, list_filings
from queries.service.frames import FrameQuery, show_frame
from queries.service.metrics import MetricQuery, MetricsQuery, list_metrics, show_metric
from queries.service.peers import PeersQuery, find_peers
from queries.service.rankings import RankingsQuery, rank_companies
from queries.service.screen import screen_companies
from queries.service.screen_query import ScreenQuery
from queries.service.search import SearchQuery, search
from queries.service.series import company_series, many_series
from queries.service.series_query import CompanySeriesQuery, SeriesQuery
from queries.service.standings import StandingQuery, show_standing
from queries.service.status import StatusQuery, data_status

_KNOWLEDGE = (
    "Values are exact. `view` chooses between the latest value, the first reported one, and what was known at `as_of`. "
    "A period the company has and for which a metric has no value is a row with a null value and its `reason`; "
    "`meta.warnings` sums these up, and what is doubtful."
)


def _example(read_model: ReadModel, **changes: Any) -> tuple[dict[str, Any], ...]:
    row = {column.name: column.example for column in read_model.columns}
    return ({**row, **changes},)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        operation_id="getDataStatus",
        path="/v1/status",
        tag="Status",
        summary="How fresh the figures are",
        description="Position, lag and extent of the figures. Cheap; ask it as often as you like.",
        query=StatusQuery,
        read_model=DATA_STATUS,
        answer=data_status,
        example=_example(DATA_STATUS),
        tool=Tool(
            name="get_data_status",
            title="Freshness of the figures",
            description="How fresh and how large the dataset is: position, fresh_at, lag, companies, filings.",
        ),
    ),
    Operation(
        operation_id="listChanges",
        path="/v1/changes",
        tag="Changes",
        summary="What changed since an answer",
        description=(
            "Filings, restated figures (old and new value, with both filings), companies and aggregates that changed "
            "after a position, oldest first. `meta.position` is the next since_position, and the min_position of what "
            "is asked anew; a filing's own new values are asked for, not listed."
        ),
        query=ChangesQuery,
        read_model=CHANGE,
        answer=list_changes,
        example=_example(CHANGE),
        exported=True,
        errors=(404, 409, 410),
        tool=Tool(
            name="get_changes",
            title="What changed since an answer",
            description=(
                "What changed after the meta.position of an earlier answer: filings, restated figures with old and new "
                "value, companies, aggregates: ask for these anew, with meta.position as min_position. Go on with "
                "meta.next_cursor while there is one; then meta.position is the next since_position."
            ),
        ),
    ),
    Operation(
        operation_id="search",
        path="/v1/search",
        tag="Catalogue",
        summary="Find companies and metrics",
        description="Companies by the beginning of ticker, name or CIK, and metrics by words of their name.",
        query=SearchQuery,
        read_model=SEARCH_HIT,
        answer=search,
        example=_example(SEARCH_HIT),
        tool=Tool(
            name="search",
            title="Find companies and metrics",
            description=(
                "Finds companies (by the beginning of ticker, name or CIK) and metrics (by words of their name). "
                "The ids found are what the other tools take."
            ),
        ),
    ),
    Operation(
        operation_id="listMetrics",
        path="/v1/metrics",
        tag="Catalogue",
        summary="List the metrics",
        description="The metric catalogue: what each figure says, its unit, formula and source concepts.",
        query=MetricsQuery,
        read_model=METRIC,
        answer=list_metrics,
        example=_example(METRIC),
    ),
    Operation(
        operation_id="getMetric",
        path="/v1/metrics/{metric}",
        tag="Catalogue",
        summary="Show one metric",
        description="One entry of the metric catalogue.",
        query=MetricQuery,
        read_model=METRIC,
        answer=show_metric,
        example=_example(METRIC),
        errors=(404,),
    ),
    Operation(
        operation_id="listCompanies",
        path="/v1/companies",
        tag="Companies",
        summary="List or find companies",
        description="Companies by the beginning of ticker, name or CIK, best fit first; all of them without q.",
        query=CompaniesQuery,
        read_model=COMPANY,
        answer=list_companies,
        example=_example(COMPANY),
        exported=True,
    ),
    Operation(
        operation_id="getCompany",
        path="/v1/companies/{company}",
        tag="Companies",
        summary="Show one company",
        description="One company by CIK, ticker or exact name. A name of several gets 409 with candidates.",
        query=CompanyQuery,
        read_model=COMPANY,
        answer=show_company,
        example=_example(COMPANY),
        errors=(404, 409),
    ),
    Operation(
        operation_id="getCompanySeries",
        path="/v1/companies/{company}/series",
        tag="Figures",
        summary="Values of one company over time",
        description=f"Metrics of one company, oldest period first. {_KNOWLEDGE}",
        query=CompanySeriesQuery,
        read_model=SERIES,
        answer=company_series,
        example=_example(SERIES),
        exported=True,
        errors=(404, 409),
    ),
    Operation(
        operation_id="listCompanyFilings",
        path="/v1/companies/{company}/filings",
        tag="Companies",
        summary="Filings of one company",
        description="Filings known of a company, the one that became known last first.",
        query=FilingsQuery,
        read_model=FILING,
        answer=list_filings,
        example=_example(FILING),
        exported=True,
        errors=(404, 409),
    ),
    Operation(
        operation_id="getSeries",
        path="/v1/series",
        tag="Figures",
        summary="Values of several companies over time",
        description=f"Metrics of up to 20 companies, oldest period first. {_KNOWLEDGE}",
        query=SeriesQuery,
        read_model=SERIES,
        answer=many_series,
        example=_example(SERIES),
        exported=True,
        errors=(404, 409),
        tool=Tool(
            name="get_metrics",
            title="Values of companies over time",
            description=(
                "Values of 1-12 metrics for 1-20 companies over periods, oldest first, each with the filing it comes "
                "from. null is never zero: reason says why, meta.warnings sums it up. For figures over a sector or "
                "industry use get_aggregates; for where a value comes from use explain_value."
            ),
        ),
    ),
    Operation(
        operation_id="getAggregates",
        path="/v1/aggregates",
        tag="Figures",
        summary="Figures over groups of companies",
        description=(
            "Count, sum, mean, percentiles and the members at both ends, for all companies, each sector, industry, "
            "country or size class, worked out before you ask. `as_of`, other `members` and `stats` are worked out "
            "when you ask, and kept while they stand."
        ),
        query=AggregatesQuery,
        read_model=AGGREGATE,
        answer=group_aggregates,
        example=_example(
            AGGREGATE,
            top=[{"company": "WMT", "cik": 104169, "value": 648125000000}],
            bottom=[{"company": "ETSY", "cik": 1370637, "value": 1204000000}],
        ),
        exported=True,
        errors=(404,),
        tool=Tool(
            name="get_aggregates",
            title="Figures over groups of companies",
            description=(
                "n, sum, mean, percentiles and the largest and smallest members of each group (all, sector, industry…) "
                "for one metric, by calendar period, now or as of a date. For single companies use get_metrics."
            ),
        ),
    ),
    Operation(
        operation_id="getFrame",
        path="/v1/frames/{metric}/{period}",
        tag="Figures",
        summary="Every company's value for one metric and period",
        description=(
            "The one value that stands for each company in a calendar period, for all companies or one group, sorted "
            "and paged. Companies without a value, or with one in another unit, have no row."
        ),
        query=FrameQuery,
        read_model=FRAME,
        answer=show_frame,
        keeps_past=True,
        example=_example(FRAME),
        exported=True,
        errors=(404,),
    ),
    Operation(
        operation_id="screenCompanies",
        path="/v1/screen",
        tag="Figures",
        summary="Companies that fulfil conditions",
        description=(
            "Companies that fulfil up to 8 conditions. A condition is `figure > number` (also < <= >= = != and between "
            "1 and 2), `metric > metric`, or `group = name` (also != in, not in). A figure is a metric, with @period "
            "where it has one of its own, with .percentile(group), .rank(group) or .zscore(group) where its standing "
            "is meant; groups are sector, major_group, industry, country, size_class, and all. A company without the "
            "value fails; `meta.screen` says each condition in words, how many companies fulfil it alone and how many "
            "lack the value."
        ),
        query=ScreenQuery,
        read_model=SCREEN,
        answer=screen_companies,
        keeps_past=True,
        example=_example(SCREEN, values=[{column.name: column.example for column in columns_of(ScreenedValueRow)}]),
        tool=Tool(
            name="screen_companies",
            title="Find companies by conditions",
            description=(
                "Companies that fulfil all of 1-8 conditions. Write each as: `revenue > 1e9` (< <= >= = !=), "
                "`net_margin between 0.1 and 0.2`, `free_cash_flow > net_income`, `revenue@CY2022 > 1e9`, "
                "`revenue_growth_yoy.percentile(sector) > 90`, `roe.rank(industry) <= 10` (1 = largest), "
                "`total_assets.zscore(all) > 2`, `sector = manufacturing`, `industry in 2834,2836`, `country != US`. "
                "Ratios are shares: 0.2 is 20 %. Groups: all, sector, major_group, industry, country, size_class. No "
                "value = fails; meta.screen says for how many. Metric keys: search."
            ),
        ),
    ),
    Operation(
        operation_id="getRankings",
        path="/v1/rankings",
        tag="Figures",
        summary="Companies in the order of one metric",
        description=(
            "Rank, percentile and value of the companies of a group, or of all, for one metric and calendar period, "
            "page by page. Equal values share a rank and stand in the order of their CIK."
        ),
        query=RankingsQuery,
        read_model=RANKING,
        answer=rank_companies,
        keeps_past=True,
        example=_example(RANKING),
        exported=True,
        errors=(404,),
        tool=Tool(
            name="get_rankings",
            title="Companies in the order of one metric",
            description=(
                "The largest (order=asc: smallest) companies by one metric, of all or of one group, with rank and "
                "percentile. For one company's place use get_standing."
            ),
        ),
    ),
    Operation(
        operation_id="getStanding",
        path="/v1/companies/{company}/standing",
        tag="Companies",
        summary="Where a company stands in its groups",
        description=(
            "Rank, percentile, z-score and distance to the median of one company among all companies, its sector, "
            "industry and the other groups it belongs to, for up to 12 metrics."
        ),
        query=StandingQuery,
        read_model=STANDING,
        answer=show_standing,
        keeps_past=True,
        example=_example(STANDING),
        exported=True,
        errors=(404, 409),
        tool=Tool(
            name="get_standing",
            title="Where a company stands in its groups",
            description=(
                "One company's rank of n, percentile, z-score and distance to the median in its groups, for 1-12 "
                "metrics."
            ),
        ),
    ),
    Operation(
        operation_id="getPeers",
        path="/v1/companies/{company}/peers",
        tag="Companies",
        summary="Companies like one",
        description=(
            "The companies of the same industry, major group or sector that are nearest in size: the nearest is the "
            "one whose size is the fewest times larger or smaller."
        ),
        query=PeersQuery,
        read_model=PEER,
        answer=find_peers,
        keeps_past=True,
        example=_example(PEER),
        exported=True,
        errors=(404, 409),
    ),
    Operation(
        operation_id="compareCompanies",
        path="/v1/compare",
        tag="Figures",
        summary="Companies side by side",
        description=(
            "Metrics of up to 20 companies over the same calendar periods: a row for every metric, period and company, "
            f"in the order asked for, none left out. {_KNOWLEDGE}"
        ),
        query=CompareQuery,
        read_model=COMPARISON,
        answer=compare_companies,
        example=_example(COMPARISON),
        exported=True,
        errors=(404, 409),
    ),
    Operation(
        operation_id="explainValue",
        path="/v1/explain",
        tag="Figures",
        summary="Where a value comes from",
        description=(
            "One value with its formula and operands, or the facts it was added up from; the filing and concept of "
            "each; every value this period has had with the time it became known; the splits since; the accounting "
            "identities its filings break. Where there is no value: the reason, and what is missing."
        ),
        query=ExplainQuery,
        read_model=EXPLANATION,
        answer=explain_value,
        example=_example(
            EXPLANATION,
            revisions=[{column.name: column.example for column in columns_of(RevisionRow)}],
            sources=[{column.name: column.example for column in columns_of(SourceRow)}],
            operands=[{column.name: column.example for column in columns_of(OperandRow)}],
        ),
        errors=(404, 409),
        tool=Tool(
            name="explain_value",
            title="Where a value comes from",
            description=(
                "One value's formula and operands, the filing, concept and SEC address of each, and every earlier "
                "value of that period with the time it became known; or why there is no value and what is missing."
            ),
        ),
    ),
)

CHANGE_STREAM = Question(
    operation_id="streamChanges",
    path="/v1/stream",
    tag="Changes",
    summary="Changes as they happen",
    description=(
        "Server-sent events (text/event-stream): what /v1/changes lists, pushed as soon as the figures have it. Each "
        "event `changes` holds a position and rows; its id, sent back as Last-Event-ID, goes on behind it without gap "
        "or repetition. The last event of a stream that is ended from here is `end` and says why."
    ),
    query=StreamQuery,
    errors=(404, 409, 410),
)
"""The one question whose answer does not end."""
