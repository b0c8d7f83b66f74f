"""Rankings from the tables and from Redis, held against a plain sort of what was written."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from redis import Redis

from projections.redis_views import follow
from queries.service import rank_sets
from tests.fixtures.crowd import BEFORE_CORRECTION, CORRECTED_FROM, Member
from tests.fixtures.figures import set_freshness
from tests.fixtures.frames import fill_frames
from tests.fixtures.pages import walk

if TYPE_CHECKING:
    from queries.rest.app import ReadApi

RANKINGS = "/v1/rankings"
REVENUE = {"metric": "revenue", "period": "CY2023"}

Shown = tuple[int, int, str, Decimal]
"""CIK, rank, percentile, value."""


def expected(values: Sequence[tuple[Decimal, int]], *, order: str) -> list[Shown]:
    """What (value, CIK) pairs come to when they are ranked."""
    ordered = sorted(values, reverse=order == "desc")
    numbers = [value for value, _ in ordered]
    return [
        (
            cik,
            numbers.index(value) + 1,
            f"{Decimal(100) * sum(other <= value for other in numbers) / len(numbers):.12f}".rstrip("0").rstrip("."),
            value,
        )
        for value, cik in ordered
    ]


def shown(rows: Sequence[dict[str, Any]]) -> list[Shown]:
    return [(row["cik"], row["rank"], row["percentile"], Decimal(row["value"])) for row in rows]


def of_group(crowd: Sequence[Member], group_by: str, group: str) -> list[tuple[Decimal, int]]:
    return [(member.value, member.cik) for member in crowd if member.group(group_by) == group]


def room_taken(redis: Redis) -> int:
    """What the sets and their groups take in Redis."""
    keys = [key for key in redis.scan_iter("*:rank:v*") if not key.endswith(b":filling")]
    return sum(redis.memory_usage(key) or 0 for key in keys)


@pytest.fixture
def epoch(connection: psycopg.Connection, crowd: list[Member], redis: Redis) -> Redis:
    """A Redis whose epoch has begun: sets may be filled."""
    follow(connection, redis)
    return redis


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(("group_by", "group"), [("all", "all"), ("sector", "mining"), ("country", "US")])
class TestPages:
    async def test_meet_everybody_once_with_rank_and_percentile_from_either_source(
        self,
        asking: httpx.AsyncClient,
        crowded_api: "ReadApi",
        crowd: list[Member],
        epoch: Redis,
        group_by: str,
        group: str,
        order: str,
    ) -> None:
        asked: dict[str, Any] = {**REVENUE, "group_by": group_by, "group": group, "order": order, "limit": 7}

        from_tables = await walk(asking, RANKINGS, as_of="2030-01-01", members="today", **asked)
        await asking.get(RANKINGS, params=asked)
        await crowded_api.sources.background.settled()
        from_sets = await walk(asking, RANKINGS, source="redis", **asked)
        epoch.flushall()
        after_loss = await walk(asking, RANKINGS, source="postgres", **asked)

        assert shown(from_tables) == expected(of_group(crowd, group_by, group), order=order)
        assert from_sets == from_tables == after_loss


class TestSets:
    async def ask(self, client: httpx.AsyncClient, **asked: Any) -> tuple[str, list[Shown]]:
        """Where the whole ranking came from, and what it is."""
        answer = await client.get(RANKINGS, params={**REVENUE, "limit": 100, "numbers": "text", **asked})
        assert answer.status_code == 200, answer.text
        return answer.json()["meta"]["source"], shown(answer.json()["data"])

    async def fill(self, client: httpx.AsyncClient, api: "ReadApi", redis: Redis, **asked: Any) -> None:
        """This will have the set filled, however short a while ago it was."""
        for mark in redis.scan_iter("*:filling"):
            redis.delete(mark)
        await self.ask(client, **asked)
        await api.sources.background.settled()

    def change(self, connection: psycopg.Connection, member: Member, value: str) -> list[tuple[Decimal, int]]:
        changed = connection.execute(
            "update figures_v1.metric_value set value = %s where cik = %s and known_to is null and unit = 'USD' "
            "and calendar_offset = 1",
            (value, member.cik),
        )
        assert changed.rowcount == 1
        fill_frames(connection)
        rows = connection.execute("select value, cik from figures_v1.frame('revenue', 'CY2023')").fetchall()
        return [(value, cik) for value, cik in rows]

    async def test_are_not_read_once_a_refresh_has_changed_their_cell(
        self,
        asking: httpx.AsyncClient,
        crowded_api: "ReadApi",
        crowd: list[Member],
        connection: psycopg.Connection,
        epoch: Redis,
    ) -> None:
        await self.fill(asking, crowded_api, epoch)
        now = self.change(connection, crowd[0], "1e40")
        set_freshness(connection, position=41)

        outdated = await self.ask(asking)
        await self.fill(asking, crowded_api, epoch)
        filled = await self.ask(asking)

        assert outdated == ("postgres", expected(now, order="desc"))
        assert filled == ("redis", expected(now, order="desc"))

    async def test_are_read_as_long_as_refreshes_change_other_cells(
        self, asking: httpx.AsyncClient, crowded_api: "ReadApi", connection: psycopg.Connection, epoch: Redis
    ) -> None:
        cells = "insert into figures_v1.aggregate_change values ('revenue', %s, 'CY2023', 1)"
        connection.cursor().executemany(cells, [("all",), ("sector",)])
        await self.fill(asking, crowded_api, epoch)
        set_freshness(connection, position=41)

        source, _ = await self.ask(asking)
        connection.execute("update figures_v1.aggregate_change set seq = 2 where group_by = 'sector'")
        of_another_grouping, _ = await self.ask(asking)
        connection.execute("update figures_v1.aggregate_change set seq = 2 where group_by = 'all'")
        of_this_grouping, _ = await self.ask(asking)

        assert (source, of_another_grouping, of_this_grouping) == ("redis", "redis", "postgres")

    async def test_do_not_mix_with_values_no_refresh_has_seen(
        self,
        asking: httpx.AsyncClient,
        crowded_api: "ReadApi",
        crowd: list[Member],
        connection: psycopg.Connection,
        epoch: Redis,
    ) -> None:
        await self.fill(asking, crowded_api, epoch)
        now = self.change(connection, crowd[0], "1e40")

        assert await self.ask(asking) == ("postgres", expected(now, order="desc"))

    async def test_are_not_read_when_members_were_lost(
        self, asking: httpx.AsyncClient, crowded_api: "ReadApi", crowd: list[Member], epoch: Redis
    ) -> None:
        await self.fill(asking, crowded_api, epoch)
        (key,) = (key for key in epoch.scan_iter("*:rank:v*") if epoch.type(key) == b"zset")
        assert epoch.zpopmin(key)

        assert await self.ask(asking) == ("postgres", expected(of_group(crowd, "all", "all"), order="desc"))

    async def test_of_an_epoch_that_has_ended_count_for_nothing_and_are_dropped(
        self,
        asking: httpx.AsyncClient,
        crowded_api: "ReadApi",
        crowd: list[Member],
        connection: psycopg.Connection,
        epoch: Redis,
    ) -> None:
        await self.fill(asking, crowded_api, epoch)
        stale = {key: epoch.dump(key) or b"" for key in epoch.scan_iter("*:rank:*")}
        epoch.delete("{ff}:epoch")
        follow(connection, epoch)
        left = list(epoch.scan_iter("*:rank:*"))
        for key, held in stale.items():
            epoch.restore(key, 0, held)
        # The first row would be the same, by either.
        connection.execute("delete from figures_v1.metric_value where cik = %s", (crowd[0].cik,))
        fill_frames(connection)
        source, (first,) = await self.ask(asking, limit=1)

        assert left == []
        assert (source, first[0]) == ("postgres", expected(of_group(crowd, "all", "all"), order="desc")[0][0])

    async def test_take_no_more_room_than_they_may(
        self,
        asking: httpx.AsyncClient,
        crowded_api: "ReadApi",
        crowd: list[Member],
        epoch: Redis,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        await self.fill(asking, crowded_api, epoch)
        budget = 3 * room_taken(epoch)
        monkeypatch.setattr(rank_sets, "SETS_BYTES", budget)
        groups = [
            {"group_by": "sector", "group": "mining"},
            {"group_by": "industry", "group": "7372"},
            {"group_by": "country", "group": "US"},
            {"group_by": "major_group", "group": "35"},
        ]
        told = []
        for asked in groups:
            await self.fill(asking, crowded_api, epoch, **asked)
            told.append((room_taken(epoch) <= budget, await self.ask(asking, **asked)))
        first_again, _ = await self.ask(asking)

        assert told == [(True, ("redis", expected(of_group(crowd, **asked), order="desc"))) for asked in groups]
        assert first_again == "postgres"

    async def test_that_do_not_fit_leave_the_answer_to_the_tables(
        self,
        asking: httpx.AsyncClient,
        crowded_api: "ReadApi",
        crowd: list[Member],
        epoch: Redis,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(rank_sets, "SETS_BYTES", 1_000)
        await self.fill(asking, crowded_api, epoch)

        assert room_taken(epoch) == 0
        assert await self.ask(asking) == ("postgres", expected(of_group(crowd, "all", "all"), order="desc"))

    async def test_end_by_themselves(self, asking: httpx.AsyncClient, crowded_api: "ReadApi", epoch: Redis) -> None:
        await self.fill(asking, crowded_api, epoch)

        assert min(epoch.pttl(key) for key in epoch.scan_iter("*:rank:v*")) > 0


class TestRankings:
    async def test_as_of_an_instant_are_those_of_what_was_known(
        self, asking: httpx.AsyncClient, crowd: list[Member]
    ) -> None:
        rows = await walk(asking, RANKINGS, **REVENUE, as_of=BEFORE_CORRECTION)

        known = [(member.value, member.cik) for member in crowd[:-1]] + [(CORRECTED_FROM, crowd[-1].cik)]
        assert shown(rows) == expected(known, order="desc")

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            (
                {"group_by": "size_class", "group": "accelerated"},
                "no company of size_class 'accelerated' has revenue in USD for CY2023",
            ),
            (
                {"group_by": "sector", "group": "mines"},
                "no company of sector 'mines' has revenue in USD for CY2023; there is mining, services",
            ),
            ({"period": "CY1999"}, "no company has revenue in USD for CY1999"),
        ],
    )
    @pytest.mark.parametrize("path", [RANKINGS, "/v1/frames/revenue/{period}"])
    @pytest.mark.parametrize("knowledge", [{}, {"as_of": "2030-01-01"}, {"members": "then"}])
    async def test_of_nobody_are_empty_and_it_says_so(
        self, asking: httpx.AsyncClient, path: str, asked: dict[str, str], told: str, knowledge: dict[str, str]
    ) -> None:
        question = {**REVENUE, **asked, **knowledge}
        if path != RANKINGS:
            path = path.format(period=question.pop("period"))
            del question["metric"]

        answer = await asking.get(path, params=question)

        assert (answer.json()["data"], answer.json()["meta"]["warnings"]) == ([], [told])

    async def test_of_a_group_spelled_like_none_name_all_where_they_are_few(self, asking: httpx.AsyncClient) -> None:
        answer = await asking.get(RANKINGS, params={**REVENUE, "group_by": "sector", "group": "xx"})

        (told,) = answer.json()["meta"]["warnings"]
        assert told.endswith("; there is manufacturing, mining, services")

    @pytest.mark.parametrize(("group_by", "group"), [("sector", "Mining"), ("country", "us"), ("all", "ALL")])
    async def test_take_a_group_in_any_case(
        self, asking: httpx.AsyncClient, crowd: list[Member], group_by: str, group: str
    ) -> None:
        key = {"Mining": "mining", "us": "US", "ALL": "all"}[group]
        of_group_by = {"all": {}}.get(group_by, {"group_by": group_by})

        rows = await walk(asking, RANKINGS, **REVENUE, **of_group_by, group=group)

        assert shown(rows) == expected(of_group(crowd, group_by, key), order="desc")

    async def test_of_a_group_without_a_name_are_refused_from_either_source(
        self, asking: httpx.AsyncClient, crowded_api: "ReadApi", epoch: Redis
    ) -> None:
        of_group = {**REVENUE, "group_by": "sector"}
        await asking.get(RANKINGS, params={**of_group, "group": "mining"})
        await crowded_api.sources.background.settled()

        answer = await asking.get(RANKINGS, params={**of_group, "group": ""})

        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "group")
