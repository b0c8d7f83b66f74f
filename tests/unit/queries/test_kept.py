"""What a process keeps in memory."""

import asyncio

import pytest

from queries.kept import Kept


class Making:
    """Makes values and counts how often."""

    def __init__(self, value: str, *, fails: int = 0) -> None:
        self.value = value
        self.fails = fails
        self.times = 0

    async def __call__(self) -> str:
        self.times += 1
        await asyncio.sleep(0)
        if self.times <= self.fails:
            raise ValueError(f"failure {self.times}")
        return self.value


async def test_is_made_once_for_everybody_who_asks_meanwhile_and_afterwards() -> None:
    kept, making = Kept[str, str](most=100), Making("abc")

    meanwhile = await asyncio.gather(*(kept.get("key", making) for _ in range(5)))

    assert {*meanwhile, await kept.get("key", making)} == {"abc"}
    assert making.times == 1


async def test_what_has_not_been_used_for_longest_goes_first() -> None:
    kept = Kept[int, str](most=3 * 5)
    made = {key: Making("four") for key in range(4)}

    for key in (0, 1, 2, 0, 3, 0, 2, 1):
        await kept.get(key, made[key])

    assert [making.times for making in made.values()] == [1, 2, 1, 1]


async def test_what_is_too_long_is_given_and_not_kept() -> None:
    kept, making = Kept[str, str](most=3), Making("long")

    assert [await kept.get("key", making), await kept.get("key", making)] == ["long", "long"]
    assert making.times == 2


async def test_a_failure_is_told_to_whom_it_happened_and_made_good_by_the_next() -> None:
    kept, making = Kept[str, str](most=100), Making("abc", fails=1)

    first, second = await asyncio.gather(kept.get("key", making), kept.get("key", making), return_exceptions=True)

    assert isinstance(first, ValueError)
    assert second == "abc"


@pytest.mark.parametrize("leaver", [0, 1])
async def test_whoever_leaves_does_not_end_it_for_the_others(leaver: int) -> None:
    kept, making = Kept[str, str](most=100), Making("abc")
    askers = [asyncio.create_task(kept.get("key", making)) for _ in range(3)]
    await asyncio.sleep(0)
    askers[leaver].cancel()

    found = await asyncio.gather(*askers, return_exceptions=True)

    assert [answer for place, answer in enumerate(found) if place != leaver] == ["abc", "abc"]
