"""What is decided about a reported filing: pure, no database."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from commands.companies.events import AcceptanceRecorded
from commands.companies.state import CompanyState
from commands.errors import FilingAlreadyWithdrawn, InvalidCommand, UnknownCompany
from commands.filings.events import FilingCorrected, FilingReported
from commands.filings.report_filing import checked, decide
from commands.filings.state import FilingState, evolve
from commands.situation import Situation
from tests.fixtures.filings import ASSETS, NOW, REVENUE, ReportFilingFactory

APPLE = CompanyState(cik=320193, name="Apple Inc.")
ACCESSION = "0000320193-23-000106"
ACCEPTED_AT = datetime(2023, 11, 2, 22, 8, 27, tzinfo=UTC)
CORRECTED_REVENUE = ("us-gaap:Revenues", "USD", (("2022-09-25", "2023-09-30", "1"),))


def known(**changes: Any) -> FilingState:
    """The filing as it stands after it was reported with these changes to what the factory gives."""
    (event,) = decide(Situation(now=NOW, company=APPLE), checked(ReportFilingFactory.build(**changes)))
    state = evolve(None, event)
    assert state is not None
    return state


def decided(filing: FilingState | None, **changes: Any) -> list[Any]:
    command = ReportFilingFactory.build(**{"accession": ACCESSION, **changes})
    return decide(Situation(now=NOW, company=APPLE, filing=filing), checked(command))


class TestReportFiling:
    def test_of_an_unknown_company_is_refused(self) -> None:
        with pytest.raises(UnknownCompany):
            decide(Situation(now=NOW), ReportFilingFactory.build())

    def test_of_a_new_filing_reports_it_with_sorted_facts(self) -> None:
        (event,) = decided(None, facts=(REVENUE, ASSETS))

        assert type(event) is FilingReported
        assert event.facts == (ASSETS, REVENUE)

    def test_with_the_same_content_is_no_event(self) -> None:
        assert decided(known(), facts=(REVENUE, ASSETS)) == []

    def test_with_other_facts_corrects_it_as_a_whole(self) -> None:
        (event,) = decided(known(), facts=(CORRECTED_REVENUE,))

        assert type(event) is FilingCorrected
        assert event.facts == (CORRECTED_REVENUE,)

    @pytest.mark.parametrize("changes", [{"form": "10-K/A"}, {"filed_on": date(2023, 11, 4)}])
    def test_with_another_form_or_date_corrects_it(self, changes: dict[str, Any]) -> None:
        (event,) = decided(known(), **changes)

        assert type(event) is FilingCorrected

    @pytest.mark.parametrize("source", ["api", "fsds"])
    def test_with_a_known_content_records_an_acceptance_time_where_there_is_none(self, source: str) -> None:
        (event,) = decided(known(), accepted_at=ACCEPTED_AT, source=source)

        assert event == AcceptanceRecorded(cik=320193, filings=((ACCESSION, ACCEPTED_AT),))

    @pytest.mark.parametrize(("source", "counts"), [("api", "stated"), ("sample", "stated"), ("fsds", "recorded")])
    def test_of_a_data_set_replaces_no_acceptance_time(self, source: str, counts: str) -> None:
        times = {"stated": ACCEPTED_AT.replace(second=0), "recorded": ACCEPTED_AT}
        situation = Situation(now=NOW, company=APPLE, acceptances={ACCESSION: times["recorded"]})
        command = ReportFilingFactory.build(accession=ACCESSION, accepted_at=times["stated"], source=source)

        (event,) = decide(situation, checked(command))

        assert event.accepted_at == times[counts]

    def test_fills_in_the_acceptance_time_recorded_before(self) -> None:
        command = ReportFilingFactory.build()

        (event,) = decide(Situation(now=NOW, company=APPLE, acceptances={command.accession: ACCEPTED_AT}), command)

        assert event.accepted_at == ACCEPTED_AT

    def test_is_no_event_for_another_acceptance_time_alone(self) -> None:
        situation = Situation(now=NOW, company=APPLE, filing=known(), acceptances={ACCESSION: ACCEPTED_AT})
        command = ReportFilingFactory.build(accession=ACCESSION, accepted_at=NOW)

        assert decide(situation, checked(command)) == []

    def test_from_a_lower_source_never_replaces_a_higher_one(self) -> None:
        assert decided(known(source="companyfacts"), source="fsds", facts=(CORRECTED_REVENUE,)) == []

    def test_from_a_higher_source_replaces_a_lower_one_even_when_merging(self) -> None:
        (event,) = decided(known(source="fsds"), source="companyfacts", mode="merge", facts=(CORRECTED_REVENUE,))

        assert event.facts == (CORRECTED_REVENUE,)

    def test_of_a_withdrawn_filing_is_refused_but_a_merge_passes_over_it(self) -> None:
        withdrawn = msgspec.structs.replace(known(), withdrawn=True)

        with pytest.raises(FilingAlreadyWithdrawn):
            decided(withdrawn)
        assert decided(withdrawn, mode="merge", facts=(CORRECTED_REVENUE,)) == []


class TestMerge:
    def test_keeps_known_facts_and_takes_the_new_values(self) -> None:
        (event,) = decided(known(), mode="merge", facts=(CORRECTED_REVENUE,))

        assert event.facts == (ASSETS, CORRECTED_REVENUE)

    def test_of_facts_all_known_is_no_event(self) -> None:
        assert decided(known(), mode="merge", facts=(REVENUE,)) == []

    def test_adds_a_period_to_a_known_concept(self) -> None:
        quarter = ("us-gaap:Revenues", "USD", (("2023-07-02", "2023-09-30", "89498000000"),))

        (event,) = decided(known(), mode="merge", facts=(quarter,))

        assert event.facts == (ASSETS, ("us-gaap:Revenues", "USD", (*REVENUE[2], *quarter[2])))

    def test_never_goes_on_without_the_facts_it_is_laid_over(self) -> None:
        without_facts = msgspec.structs.replace(known(), facts=None)

        with pytest.raises(LookupError):
            decided(without_facts, mode="merge", facts=(CORRECTED_REVENUE,))


class TestCanonicalForm:
    @pytest.mark.parametrize(
        ("written", "kept"),
        [
            ("383285000000", "383285000000"),
            ("383285000000.0000", "383285000000"),
            ("3.83285E+11", "383285000000"),
            ("+007.50", "7.5"),
            ("-0.0", "0"),
            ("0e5", "0"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e-30", "0." + "0" * 29 + "1"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ],
    )
    def test_writes_equal_values_alike(self, written: str, kept: str) -> None:
        facts = (("us-gaap:Assets", "USD", ((None, "2023-09-30", written),)),)

        assert checked(ReportFilingFactory.build(facts=facts)).facts[0][2][0][2] == kept

    def test_joins_groups_of_one_concept_and_drops_repetitions(self) -> None:
        command = checked(ReportFilingFactory.build(facts=(REVENUE, ASSETS, REVENUE)))

        assert command.facts == (ASSETS, REVENUE)

    def test_is_reached_in_one_step(self) -> None:
        once = checked(ReportFilingFactory.build(facts=(REVENUE, ASSETS)))

        assert checked(once) == once

    def test_errors_point_to_the_facts_as_given(self) -> None:
        backwards = ("us-gaap:Revenues", "USD", (("2022-09-25", "2023-09-30", "1"), ("2023-01-01", "2022-01-01", "1")))

        with pytest.raises(InvalidCommand) as refused:
            checked(ReportFilingFactory.build(facts=(ASSETS, backwards)))

        assert [error.pointer for error in refused.value.errors] == ["/facts/1/1/end"]

    def test_many_errors_are_told_up_to_a_bound(self) -> None:
        values = tuple((None, f"2023-09-{day:02}x", "1") for day in range(100))

        with pytest.raises(InvalidCommand) as refused:
            checked(ReportFilingFactory.build(facts=(("us-gaap:Assets", "USD", values),)))

        assert len(refused.value.errors) == 50
