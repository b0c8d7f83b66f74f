"""Calendar labels beside the `frame` labels of files, on the smallest files that show each rule."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command

from projections import frames
from projections.frames import FrameAgreement, compare_company
from tests.fixtures.companyfacts_files import Fact, company_document, fact


def compared(*facts: Fact) -> FrameAgreement:
    agreement = FrameAgreement()
    compare_company(company_document({"Revenues": {"USD": facts}}), agreement)
    return agreement


def costco(start: str, end: str, *, filed: str, frame: str | None = None) -> Fact:
    return fact(start=start, end=end, filed=filed, accn=f"0000909832-{filed[2:4]}-{filed[5:7]:>06}", frame=frame)


class TestLabel:
    def test_agrees_where_it_is_the_frame_of_the_file(self) -> None:
        agreement = compared(fact(), fact(accn="0000320193-24-000123", filed="2024-11-01", frame=None))

        assert (agreement.labels, agreement.labels_agreeing) == (1, 1)
        assert not agreement.label_differences

    @pytest.mark.parametrize(
        ("start", "end", "frame", "rule"),
        [
            ("2010-07-01", "2010-07-31", "CY2010Q2I", frames.SHORT_SPAN),
            ("2013-01-23", "2013-03-31", "CY2013Q1", frames.SHORT_QUARTER),
            ("2013-01-23", "2013-12-31", "CY2013", frames.SHORT_YEAR),
            ("2013-01-01", "2013-06-30", "CY2013", frames.UNEXPLAINED_LABEL),
            ("2022-09-25", "2023-09-30", "CY2022", frames.UNEXPLAINED_LABEL),
        ],
    )
    def test_counts_a_difference_under_the_rule_that_explains_it(
        self, start: str, end: str, frame: str, rule: str
    ) -> None:
        agreement = compared(fact(start=start, end=end, frame=frame))

        assert agreement.label_differences == {rule: 1}
        assert bool(agreement.unexplained) == (rule == frames.UNEXPLAINED_LABEL)


class TestWinner:
    def test_is_the_period_that_ends_nearest_then_the_copy_known_last(self) -> None:
        agreement = compared(
            costco("2024-11-25", "2025-02-16", filed="2026-03-11"),
            costco("2025-02-17", "2025-05-11", filed="2025-06-05"),
            costco("2025-02-17", "2025-05-11", filed="2025-10-08", frame="CY2025Q1"),
        )

        assert (agreement.winners, agreement.winners_agreeing) == (1, 1)

    def test_differs_where_two_periods_end_on_one_day_and_the_older_has_the_usual_length(self) -> None:
        agreement = compared(
            costco("2010-12-31", "2011-12-31", filed="2013-02-26", frame="CY2011"),
            costco("2011-01-01", "2011-12-31", filed="2014-02-25"),
        )

        assert agreement.winner_differences == {frames.OTHER_LENGTH: 1}

    def test_differs_where_one_filing_has_two_periods_equally_far(self) -> None:
        agreement = compared(
            costco("2018-11-26", "2019-02-17", filed="2020-10-07"),
            costco("2019-02-18", "2019-05-12", filed="2020-10-07", frame="CY2019Q1") | {"accn": "0000909832-20-000001"},
        )

        assert agreement.winner_differences == {frames.EQUALLY_NEAR: 1}

    def test_differs_where_the_file_kept_the_label_on_an_older_copy(self) -> None:
        agreement = compared(fact(), fact(accn="0000320193-24-000123", filed="2024-11-01", frame=None))

        assert agreement.winner_differences == {frames.OLDER_COPY: 1}

    @pytest.mark.parametrize(
        ("form", "frame", "why"),
        [
            ("8-K", "CY2023", frames.CURRENT_REPORT),
            ("DEF 14A", "CY2023", frames.NEVER_COUNTS),
            ("10-K", None, frames.NO_HOLDER),
        ],
    )
    def test_is_not_compared_where_no_periodic_report_holds_the_label(
        self, form: str, frame: str | None, why: str
    ) -> None:
        agreement = compared(fact(form=form, frame=frame))

        assert agreement.winners == 0
        assert agreement.not_compared == {why: 1}


class TestFramesCommand:
    def test_prints_the_agreement(self, tmp_path: Path) -> None:
        (tmp_path / "CIK0000320193.json").write_bytes(company_document({"Revenues": {"USD": [fact()]}}))
        out = io.StringIO()

        call_command("frames", str(tmp_path), stdout=out)

        assert "the label    1 of 1 agree (100.000%)" in out.getvalue()
        assert "the winner   1 of 1 agree (100.000%)" in out.getvalue()

    def test_leaves_with_1_where_a_difference_is_unexplained_or_a_file_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "CIK0000320193.json").write_bytes(company_document({"Revenues": {"USD": [fact(frame="CY2022")]}}))
        (tmp_path / "broken.json").write_bytes(b"{}")
        out, err = io.StringIO(), io.StringIO()

        with pytest.raises(SystemExit) as left:
            call_command("frames", str(tmp_path), stdout=out, stderr=err)

        assert left.value.code == 1
        assert (
            "unexplained  CIK 320193 us-gaap:Revenues in USD, 2022-09-25..2023-09-30: CY2022 in the file, CY2023"
            in (out.getvalue())
        )
        assert "broken.json: it is no companyfacts document" in err.getvalue()
