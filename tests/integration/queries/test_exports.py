"""Whole answers as files: the rows of the JSON answer, of one state, in every form."""

import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

import httpx
import msgspec
import psycopg
import pytest
from pyarrow import parquet

from queries.read_models.declaration import ReadModel
from queries.rest import exports
from queries.rest.export_forms import CsvWriter, Form
from tests.fixtures.figures import set_freshness

SERIES = "/v1/companies/AAPL/series.parquet?metrics=revenue,total_assets,gross_margin"


def asked_for(example: Any) -> str:
    return ",".join(map(str, example)) if isinstance(example, list) else str(example)


def plain(value: Any) -> Any:
    """A cell of Parquet as JSON has it."""
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
    return value


async def every_page(client: httpx.AsyncClient, path: str, params: dict[str, str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await client.get(path, params=params | ({"cursor": cursor} if cursor else {}))
        assert page.status_code == 200, page.text
        told = json.loads(page.text, parse_float=Decimal, parse_int=Decimal)
        rows += told["data"]
        cursor = told["next_cursor"]
        if cursor is None:
            return rows


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets an export be made of many pages where there are few rows."""
    monkeypatch.setattr(exports, "PAGE_ROWS", 1)


class TestExports:
    async def test_of_every_operation_have_the_rows_of_all_its_pages(
        self, client: httpx.AsyncClient, small_pages: None
    ) -> None:
        from queries.rest.catalog import OPERATIONS
        from queries.service.arguments import arguments_of

        filled = 0
        for operation in (operation for operation in OPERATIONS if operation.exported):
            path, params, paged = operation.path, {}, {}
            for name, argument in arguments_of(operation.query).items():
                example = argument.meta.examples[0] if argument.meta.examples else None
                if argument.in_path:
                    path = path.replace(f"{{{name}}}", asked_for(example))
                elif argument.required:
                    params[name] = asked_for(example)
                elif name == "limit":
                    paged = {"limit": "2"}

            rows = await every_page(client, path, params | paged)
            as_parquet = await client.get(f"{path}.parquet", params=params)
            as_csv = await client.get(f"{path}.csv", params=params)

            names = [column.name for column in operation.read_model.cells]
            assert as_parquet.status_code == as_csv.status_code == 200, as_parquet.text
            filled += bool(rows)
            assert [
                {name: plain(value) for name, value in row.items()}
                for row in parquet.read_table(io.BytesIO(as_parquet.content)).to_pylist()
            ] == [{name: row[name] for name in names} for row in rows], operation.operation_id
            assert as_csv.text.splitlines()[0] == ",".join(names)
            assert len(as_csv.text.splitlines()) == len(rows) + 1
        assert filled >= 5

    async def test_stop_at_a_limit_that_is_given_and_have_no_pages(self, client: httpx.AsyncClient) -> None:
        two = await client.get("/v1/companies.csv?limit=2")
        page = await client.get("/v1/companies.csv?cursor=W10")

        assert len(two.text.splitlines()) == 3
        assert (page.status_code, page.json()["errors"][0]["pointer"]) == (400, "cursor")

    async def test_say_what_they_are(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(SERIES)
        head = await client.head(SERIES)

        assert answer.headers["content-type"] == "application/vnd.apache.parquet"
        assert answer.headers["content-disposition"] == (
            'attachment; filename="factfold-companies-AAPL-series-revenue-total_assets-gross_margin-40.parquet"'
        )
        assert answer.headers["content-length"] == str(len(answer.content))
        assert answer.headers["x-factfold-position"] == "40"
        assert (head.content, head.headers["etag"]) == (b"", answer.headers["etag"])

    @pytest.mark.parametrize(
        ("accept", "status"), [("application/octet-stream", 200), ("*/*", 200), ("application/json", 406)]
    )
    async def test_are_given_to_those_who_take_them(self, client: httpx.AsyncClient, accept: str, status: int) -> None:
        answer = await client.get(SERIES, headers={"Accept": accept})

        assert answer.status_code == status

    async def test_that_are_refused_are_refused_as_problems(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/companies/NOBODY/series.parquet?metrics=revenue")

        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_company")
        assert answer.headers["content-type"] == "application/problem+json"


class TestTags:
    async def test_stand_while_the_figures_do_and_are_not_worked_out_again(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = await client.get(SERIES)
        again = await client.get(SERIES)
        monkeypatch.setattr(exports, "_pages", None)

        held = await client.get(SERIES, headers={"If-None-Match": first.headers["etag"]})

        assert (first.headers["etag"], first.content) == (again.headers["etag"], again.content)
        assert (held.status_code, held.content, held.headers["etag"]) == (304, b"", first.headers["etag"])

    async def test_that_another_process_gave_stand_as_well(self, client: httpx.AsyncClient) -> None:
        tag = (await client.get(SERIES)).headers["etag"]
        from queries.rest.app import ReadApi

        app = client._transport.app  # type: ignore[attr-defined]  # the transport of ASGI applications
        assert isinstance(app, ReadApi)
        app._exports._tags.clear()

        held = await client.get(SERIES, headers={"If-None-Match": tag})

        assert (held.status_code, held.content) == (304, b"")

    async def test_change_with_the_figures_even_before_the_position_does(
        self, client: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        tag = (await client.get(SERIES)).headers["etag"]
        figures.execute("update figures_v1.metric_value set value = 1 where cik = 320193 and metric = 'revenue'")
        figures.execute("update projections.checkpoint set shard_seq = shard_seq + 1 where shard = 3")

        answer = await client.get(SERIES, headers={"If-None-Match": tag})

        assert answer.status_code == 200
        assert answer.headers["etag"] != tag

    async def test_stand_where_only_others_figures_moved(
        self, client: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        tag = (await client.get(SERIES)).headers["etag"]
        figures.execute("update projections.checkpoint set shard_seq = shard_seq + 1 where shard = 3")

        answer = await client.get(SERIES, headers={"If-None-Match": tag})

        assert answer.status_code == 304


class TestOneSnapshot:
    async def test_is_what_all_pages_are_read_from(
        self, exporting: exports.Exports, figures: psycopg.Connection, small_pages: None
    ) -> None:
        from queries.rest.catalog import OPERATIONS
        from queries.service.companies import CompaniesQuery

        class Renaming(CsvWriter):
            """Changes the figures as soon as the first page is there."""

            def add(self, rows: Sequence[msgspec.Struct]) -> None:
                with psycopg.connect(figures.info.dsn, password=figures.info.password) as other:
                    other.execute("update figures_v1.company set name = 'Another', tickers = '{}'")
                    set_freshness(other, position=41)
                super().add(rows)

        def renaming(file: IO[bytes], read_model: ReadModel) -> CsvWriter:
            return Renaming(file, read_model)

        form = Form(suffix=".csv", content_type="text/csv", accepted=frozenset(), writer=renaming)
        operation = next(one for one in OPERATIONS if one.path == "/v1/companies")
        asked = exports.ask_for_export(operation, CompaniesQuery(), form, {})

        export = await exporting.write(asked, holds=lambda tag: False)
        text = b"".join([chunk async for chunk in exporting.chunks(export)]).decode()

        assert len(text.splitlines()) > 3
        assert "Another" not in text
        assert export.position == 40

    @pytest.fixture
    async def exporting(self, figures: psycopg.Connection) -> AsyncIterator[exports.Exports]:
        from django.conf import settings

        from queries.connections import ReadSources

        sources = ReadSources(settings.FACTFOLD)
        await sources.open()
        opened = exports.Exports(sources)
        yield opened
        opened.close()
        await sources.close()
