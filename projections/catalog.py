"""Every projection that runs."""

from commands.sql import load_statements
from projections.figures.fold import fold
from projections.projection import Projection
from projections.rules import fingerprint
from queries.metrics.catalogue import load_catalogue

_FIGURES = load_statements("projections.figures", "tables.sql")

PROJECTIONS: dict[str, Projection] = {
    projection.name: projection
    for projection in (
        Projection(
            name="figures",
            fold=fold,
            tables=_FIGURES["tables"] + b"\n" + _FIGURES["classes"],
            indexes=_FIGURES["indexes"],
            derived=frozenset(
                {
                    "dirty_cell",
                    "company_group",
                    "group_member",
                    "aggregate_change",
                    "filing_count",
                    "refreshed",
                    "late_change",
                    "replacement",
                    "change_horizon",
                    "freshness",
                }
            ),
            rules=fingerprint(load_catalogue()),
        ),
    )
}
