"""How fresh the figures are and how much there is."""

from datetime import date

import msgspec

from queries.connections import ReadSources
from queries.read_models.data_status import DATA_STATUS, DataStatusRow
from queries.redis_reader import EPOCH_KEY
from queries.service.arguments import Query
from queries.service.result import Result, meta_of
from queries.service.statements import load_statements

_SQL = load_statements("status.sql")


class StatusQuery(Query, frozen=True, kw_only=True):
    """How fresh the figures are."""


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """How much the figures hold."""

    companies: int
    filings: int
    latest_filed_on: date | None


async def data_status(sources: ReadSources, query: StatusQuery) -> Result:
    """This will say how far the figures have come and how much they hold."""
    memory = await sources.redis.read(EPOCH_KEY)
    async with sources.snapshot() as snapshot:
        extent = (await snapshot.fetch(Extent, _SQL["extent"], {}))[0]
        fresh = snapshot.freshness
        row = DataStatusRow(
            dataset="figures",
            version=snapshot.version,
            position=fresh.position,
            fresh_at=fresh.fresh_at,
            lag_ms=fresh.lag_ms,
            complete=fresh.parked == 0,
            parked=fresh.parked,
            companies=extent.companies,
            filings=extent.filings,
            latest_filed_on=extent.latest_filed_on,
            fast_path="live" if memory and memory[0] else "down",
        )
        return Result(read_model=DATA_STATUS, meta=meta_of(fresh), rows=[row])
