"""How often a key may ask."""

import msgspec
import pytest

from config.access.errors import RateUsedUp
from config.access.keys import ApiKey
from config.access.rate import Rates

KEY = ApiKey(
    prefix="000102030405",
    secret_sha256=b"",
    scopes=["read"],
    requests_a_minute=6,
    expires_at=None,
    revoked_at=None,
)


class Clock:
    """Time that passes when a test says so."""

    seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(clock: Clock) -> Rates:
    return Rates(clock=clock)


def taken(rates: Rates, key: ApiKey = KEY) -> int:
    """How many requests are let in until one is not."""
    for count in range(100):
        try:
            rates.take(key)
        except RateUsedUp:
            return count
    return 100


class TestRates:
    def test_allow_a_minutes_requests_at_once(self, rates: Rates) -> None:
        assert taken(rates) == 6

    def test_allow_one_more_with_each_part_of_the_minute(self, rates: Rates, clock: Clock) -> None:
        taken(rates)

        clock.seconds += 9.9
        before = taken(rates)
        clock.seconds += 0.2

        assert (before, taken(rates)) == (0, 1)

    def test_save_no_more_than_a_minutes_requests(self, rates: Rates, clock: Clock) -> None:
        taken(rates)

        clock.seconds += 3_600

        assert taken(rates) == 6

    def test_say_when_the_next_is_let_in(self, rates: Rates, clock: Clock) -> None:
        taken(rates)
        clock.seconds += 3.5

        with pytest.raises(RateUsedUp) as refused:
            rates.take(KEY)

        assert refused.value.retry_after_seconds == 7
        clock.seconds += 7
        rates.take(KEY)

    def test_take_back_what_cost_nothing(self, rates: Rates) -> None:
        for _ in range(50):
            rates.take(KEY)
            rates.give_back(KEY)

        assert taken(rates) == 6

    def test_count_each_key_by_itself(self, rates: Rates) -> None:
        taken(rates)

        assert taken(rates, msgspec.structs.replace(KEY, prefix="ffffffffffff")) == 6

    def test_do_not_bind_a_key_without_one(self, rates: Rates) -> None:
        assert taken(rates, msgspec.structs.replace(KEY, requests_a_minute=None)) == 100
