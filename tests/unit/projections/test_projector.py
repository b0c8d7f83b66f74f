import pytest

from projections.projector import BATCH_SECONDS, MAX_EVENTS, events_at_once


@pytest.mark.parametrize(
    ("last_events", "last_seconds", "wanted"),
    [
        (0, 0.0, MAX_EVENTS),
        (100, BATCH_SECONDS, 100),
        (100, BATCH_SECONDS * 4, 25),
        (100, BATCH_SECONDS / 1.5, 150),
        (100, BATCH_SECONDS / 2, 200),
        (100, 0.001, 200),
        (100, 0.0, 200),
        (1, BATCH_SECONDS * 60, 1),
        (3, BATCH_SECONDS * 2, 1),
    ],
)
def test_a_batch_has_as_many_events_as_took_its_time_before_and_at_most_twice_as_many(
    last_events: int, last_seconds: float, wanted: int
) -> None:
    assert events_at_once(last_events, last_seconds) == wanted
