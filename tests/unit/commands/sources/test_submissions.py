"""Submissions files: who a company is, and when its filings were accepted."""

import json
import zipfile
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path
from string import ascii_uppercase, digits
from typing import Any

import pytest

from commands.companies.change_tickers import ChangeTickers
from commands.companies.countries import COUNTRIES
from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.record_acceptance import RecordAcceptance
from commands.companies.register_company import RegisterCompany
from commands.companies.rename_company import RenameCompany
from commands.sources.documents import Document
from commands.sources.filer_status import size_class_of
from commands.sources.places import country_of
from commands.sources.reading import Item
from commands.sources.submissions import parse_submissions, read_submissions
from tests.fixtures.proposals import commands_in, skipped_in
from tests.fixtures.real_data import real_data

TEN_K = ("0000320193-23-000106", "2023-11-03", "2023-11-02T22:08:27.000Z", "10-K", 1)
TEN_Q = ("0000320193-23-000077", "2023-08-04", "2023-08-03T22:04:43.000Z", "10-Q", 1)
FORM_4 = ("0000320193-23-000080", "2023-08-04", "2023-08-04T22:30:00.000Z", "4", 0)


def filing_columns(*rows: tuple[str, str, str, str, int]) -> dict[str, list[Any]]:
    names = ("accessionNumber", "filingDate", "acceptanceDateTime", "form", "isXBRL")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def submissions(*rows: tuple[str, str, str, str, int], **changes: Any) -> dict[str, Any]:
    return {
        "cik": "0000320193",
        "name": "Apple Inc.",
        "sic": "3571",
        "tickers": ["AAPL"],
        "stateOfIncorporation": "CA",
        "category": "Large accelerated filer",
        "addresses": {"business": {"stateOrCountry": "CA"}},
        "filings": {"recent": filing_columns(*rows), "files": []},
    } | changes


def parsed(content: dict[str, Any] | bytes, *, name: str = "CIK0000320193.json") -> list[Item]:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return list(parse_submissions(Document(place=name, name=name, content=text)))


class TestParseSubmissions:
    def test_says_who_the_company_is_and_when_its_xbrl_filings_were_accepted(self) -> None:
        commands = commands_in(parsed(submissions(TEN_K, FORM_4, TEN_Q)))

        assert commands == [
            RegisterCompany(
                cik=320193,
                name="Apple Inc.",
                sic="3571",
                country="US",
                tickers=("AAPL",),
                size_class="large_accelerated",
            ),
            RenameCompany(cik=320193, name="Apple Inc."),
            ReclassifyCompany(cik=320193, sic="3571", country="US", size_class="large_accelerated"),
            ChangeTickers(cik=320193, tickers=("AAPL",)),
            RecordAcceptance(
                cik=320193,
                filings=(
                    ("0000320193-23-000077", datetime(2023, 8, 3, 22, 4, 43, tzinfo=UTC)),
                    ("0000320193-23-000106", datetime(2023, 11, 2, 22, 8, 27, tzinfo=UTC)),
                ),
            ),
        ]

    def test_says_which_names_the_company_had_and_until_when(self) -> None:
        listed = [
            {"name": "APPLE INC", "from": "2007-01-10T05:00:00.000Z", "to": "2019-08-05T04:00:00.000Z"},
            {"name": "Apple Inc.", "from": "2019-08-05T04:00:00.000Z", "to": "2026-06-17T04:00:00.000Z"},
            {"name": "APPLE COMPUTER INC", "from": "1994-01-26T00:00:00.000Z", "to": "2007-01-04T00:00:00.000Z"},
            {"name": "APPLE COMPUTER INC", "from": "1990-01-26T00:00:00.000Z", "to": None},
        ]

        (renamed,) = [
            command
            for command in commands_in(parsed(submissions(formerNames=listed)))
            if isinstance(command, RenameCompany)
        ]

        assert renamed.former_names == (("APPLE COMPUTER INC", date(2007, 1, 4)), ("APPLE INC", date(2019, 8, 5)))

    def test_takes_the_cik_of_a_continuation_from_its_name(self) -> None:
        items = parsed(filing_columns(TEN_K), name="CIK0000320193-submissions-001.json")

        assert commands_in(items) == [
            RecordAcceptance(
                cik=320193, filings=(("0000320193-23-000106", datetime(2023, 11, 2, 22, 8, 27, tzinfo=UTC)),)
            )
        ]

    def test_takes_a_person_without_sic_code_tickers_or_filings_as_it_is(self) -> None:
        items = parsed(submissions(sic="", tickers=[], addresses=None, stateOfIncorporation="", category=""))

        assert commands_in(items) == [
            RegisterCompany(cik=320193, name="Apple Inc."),
            RenameCompany(cik=320193, name="Apple Inc."),
            ChangeTickers(cik=320193, tickers=()),
        ]

    def test_reads_times_as_eastern_where_reading_them_as_utc_has_filings_accepted_at_night(self) -> None:
        at_eight_in_the_morning = (TEN_Q[0], TEN_Q[1], "2023-08-03T08:04:43.000Z", "10-Q", 1)
        evening = (TEN_K[0], TEN_K[1], "2023-11-02T18:08:27.000Z", "10-K", 1)

        (recorded,) = commands_in(parsed(submissions(evening, at_eight_in_the_morning)))[-1:]

        assert isinstance(recorded, RecordAcceptance)
        assert dict(recorded.filings) == {
            TEN_Q[0]: datetime(2023, 8, 3, 12, 4, 43, tzinfo=UTC),
            TEN_K[0]: datetime(2023, 11, 2, 22, 8, 27, tzinfo=UTC),
        }

    def test_leaves_out_what_is_of_no_year_of_figures_and_takes_the_rest(self) -> None:
        never = (TEN_Q[0], "9999-12-31", "9999-12-31T23:59:59.000-05:00", "10-Q", 1)
        listed = [{"name": "APPLE COMPUTER INC", "to": "0001-01-01T00:00:00.000Z"}]

        items = parsed(submissions(TEN_K, never, formerNames=listed))

        (recorded,) = (command for command in commands_in(items) if isinstance(command, RecordAcceptance))
        (renamed,) = (command for command in commands_in(items) if isinstance(command, RenameCompany))
        assert [accession for accession, _ in recorded.filings] == [TEN_K[0]]
        assert renamed.former_names == (("APPLE COMPUTER INC", None),)
        assert "1900 to 2199" in skipped_in(items)[0].reason

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (json.dumps(submissions(TEN_K)).encode()[:-20], "not a complete submissions document"),
            (submissions(cik="x"), "cik 'x' is not a number"),
            (submissions(cik=None), "cik '' is not a number"),
            (submissions(("bad", *TEN_K[1:])), "accession 'bad' is not"),
            (submissions((TEN_K[0], TEN_K[1], "soon", "10-K", 1)), "acceptance time"),
            (submissions(filings={"recent": filing_columns(TEN_K) | {"form": []}}), "differ in length"),
        ],
    )
    def test_says_what_it_cannot_use(self, content: dict[str, Any] | bytes, reason: str) -> None:
        (skipped,) = skipped_in(parsed(content))

        assert reason in skipped.reason


class TestReadSubmissions:
    def test_lets_the_vintage_with_the_newest_filing_have_the_last_word(self, tmp_path: Path) -> None:
        old = submissions(TEN_Q, name="APPLE COMPUTER INC", tickers=["APPL"])
        new = submissions(TEN_K, (*TEN_Q[:2], "2023-08-03T22:04:44.000Z", *TEN_Q[3:]))
        (tmp_path / "CIK0000320193.a-newer.json").write_text(json.dumps(new))
        (tmp_path / "CIK0000320193.b-older.json").write_text(json.dumps(old))

        commands = commands_in(read_submissions([tmp_path]))

        assert [command for command in commands if isinstance(command, RenameCompany | ChangeTickers)] == [
            RenameCompany(cik=320193, name="Apple Inc."),
            ChangeTickers(cik=320193, tickers=("AAPL",)),
        ]
        (recorded,) = (command for command in commands if isinstance(command, RecordAcceptance))
        assert dict(recorded.filings)[TEN_Q[0]] == datetime(2023, 8, 3, 22, 4, 44, tzinfo=UTC)

    def test_archives_count_as_they_are_named_and_loose_files_after_them(self, tmp_path: Path) -> None:
        for name in ("B", "A"):
            with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
                archive.writestr("CIK0000320193.json", json.dumps(submissions(name=f"Archive {name}")))
        (tmp_path / "CIK0000320193.json").write_text(json.dumps(submissions(name="Loose")))

        paths = [tmp_path / name for name in ("CIK0000320193.json", "B.zip", "A.zip")]
        names = [command.name for command in commands_in(read_submissions(paths)) if isinstance(command, RenameCompany)]

        assert names == ["Archive B", "Archive A", "Loose"]

    def test_real_vintages_agree_once_their_clocks_are_told_apart(self) -> None:
        real_data("submissions")
        eastern = real_data("submissions/CIK0000320193.asof2026-02-26.d510d7.json.gz")
        utc = real_data("submissions/CIK0000320193.asof2026-06-17.8ceb67.json.gz")

        times = [
            dict(command.filings)
            for path in (eastern, utc)
            for command in commands_in(read_submissions([path]))
            if isinstance(command, RecordAcceptance)
        ]

        shared = times[0].keys() & times[1].keys()
        assert len(shared) > 50
        assert {accession: times[0][accession] for accession in shared} == {
            accession: times[1][accession] for accession in shared
        }

    def test_every_real_file_is_sound(self) -> None:
        assert skipped_in(read_submissions([real_data("submissions")])) == []


class TestCountryOf:
    @pytest.mark.parametrize(
        ("code", "country"),
        [("CA", "US"), ("A8", "CA"), ("2M", "DE"), ("M0", "JP"), ("X0", "GB"), ("XX", None), ("", None), (None, None)],
    )
    def test_reads_codes_of_edgar(self, code: str | None, country: str | None) -> None:
        assert country_of(code) == country

    def test_knows_a_code_for_all_countries_but_the_youngest(self) -> None:
        codes = ("".join(pair) for pair in product(ascii_uppercase + digits, repeat=2))

        countries = {country for code in codes if (country := country_of(code)) is not None}

        assert len(COUNTRIES) == 249
        assert COUNTRIES - countries == {"BQ", "CW", "SS", "SX"}
        assert countries <= COUNTRIES

    def test_takes_the_country_of_an_address_without_state(self) -> None:
        abroad = {"business": {"stateOrCountry": None, "countryCode": "2M"}}

        registered, *_ = commands_in(parsed(submissions(addresses=abroad)))

        assert isinstance(registered, RegisterCompany)
        assert registered.country == "DE"


class TestSizeClassOf:
    @pytest.mark.parametrize(
        ("status", "size_class"),
        [
            ("1-LAF", "large_accelerated"),
            ("2-ACC", "accelerated"),
            ("3-SRA", "accelerated"),
            ("4-NON", "non_accelerated"),
            ("5-SML", "smaller_reporting"),
            ("Large accelerated filer", "large_accelerated"),
            ("Accelerated filer<br>Smaller reporting company", "accelerated"),
            ("Non-accelerated filer<br>Emerging growth company", "non_accelerated"),
            ("Non-accelerated filer<br>Smaller reporting company", "smaller_reporting"),
            ("Smaller reporting company", "smaller_reporting"),
            ("<br>Emerging growth company", None),
            ("nan", None),
            ("", None),
            (None, None),
        ],
    )
    def test_reads_the_words_of_edgar_and_the_codes_of_data_sets(
        self, status: str | None, size_class: str | None
    ) -> None:
        assert size_class_of(status) == size_class
