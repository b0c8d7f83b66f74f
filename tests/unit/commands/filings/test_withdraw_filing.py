"""What is decided about a withdrawal: pure, no database."""

from datetime import UTC, datetime, timedelta

import pytest

from commands.companies.state import CompanyState
from commands.errors import FilingAlreadyWithdrawn, InvalidCommand, UnknownCompany, UnknownFiling
from commands.filings.events import FilingWithdrawn
from commands.filings.state import FilingState
from commands.filings.withdraw_filing import decide
from commands.situation import Situation
from tests.fixtures.filings import NOW, WithdrawFilingFactory

APPLE = CompanyState(cik=320193, name="Apple Inc.")
FILING = FilingState(content_hash=b"", source="api", event_id=1)


class TestWithdrawFiling:
    def test_takes_it_out_from_now_on(self) -> None:
        (event,) = decide(Situation(now=NOW, company=APPLE, filing=FILING), WithdrawFilingFactory.build())

        assert type(event) is FilingWithdrawn
        assert event.withdrawn_at == NOW

    def test_takes_it_out_from_the_instant_given(self) -> None:
        instant = datetime(2024, 1, 1, tzinfo=UTC)

        (event,) = decide(
            Situation(now=NOW, company=APPLE, filing=FILING), WithdrawFilingFactory.build(withdrawn_at=instant)
        )

        assert event.withdrawn_at == instant

    def test_from_later_than_now_is_refused(self) -> None:
        later = NOW + timedelta(seconds=1)

        with pytest.raises(InvalidCommand) as refused:
            decide(Situation(now=NOW, company=APPLE, filing=FILING), WithdrawFilingFactory.build(withdrawn_at=later))

        assert [error.pointer for error in refused.value.errors] == ["/withdrawn_at"]

    def test_twice_is_refused(self) -> None:
        withdrawn = FilingState(content_hash=b"", source="api", event_id=1, withdrawn=True)

        with pytest.raises(FilingAlreadyWithdrawn):
            decide(Situation(now=NOW, company=APPLE, filing=withdrawn), WithdrawFilingFactory.build())

    def test_of_what_was_never_reported_is_refused(self) -> None:
        with pytest.raises(UnknownFiling):
            decide(Situation(now=NOW, company=APPLE), WithdrawFilingFactory.build())
        with pytest.raises(UnknownCompany):
            decide(Situation(now=NOW), WithdrawFilingFactory.build())
