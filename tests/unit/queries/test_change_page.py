"""A page of changes may end earlier, and says how far it then reaches."""

import pytest

from queries.read_models.change import ChangeRow
from queries.service.change_page import ChangePage
from queries.service.change_place import Place

PLACES = [
    Place(7, 7, 0, ("name",)),
    Place(7, 7, 0, ("sic",)),
    Place(9, 9, 0, ("",)),
    Place(9, 2**63 - 1, 3, ("roe", "")),
]
PAGE = ChangePage(
    rows=[ChangeRow(position=place.told_at, kind="company_renamed") for place in PLACES],
    places=PLACES,
    reached=Place(12),
    is_last=True,
)


@pytest.mark.parametrize(
    ("count", "reached", "complete_to"), [(1, PLACES[0], 6), (2, Place(8), 8), (3, PLACES[2], 8), (4, Place(12), 12)]
)
def test_a_page_that_ends_earlier_reaches_up_to_what_comes_next(count: int, reached: Place, complete_to: int) -> None:
    page = PAGE.first(count)

    assert [row.position for row in page.rows] == [7, 7, 9, 9][:count]
    assert (page.reached, page.reached.complete_to, page.is_last) == (reached, complete_to, count == 4)
