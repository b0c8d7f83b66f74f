"""What changed after a position of the log, in the order in which readers are told of it."""

import msgspec

from queries.connections import ReadSources
from queries.read_models.answer_meta import AnswerMeta
from queries.read_models.change import CHANGE
from queries.service.change_page import ChangePage, changes_after
from queries.service.change_place import Place, read_place
from queries.service.change_query import ChangesQuery, Wanted, refuse_unknown, wanted_by
from queries.service.cursor import damaged, read_cursor, write_cursor
from queries.service.result import Result, meta_of
from queries.tables import Snapshot

_MOST_AT_ONCE = 5_000
"""A page that begins with a position tells all of it, up to so many changes."""
_WITHIN_A_POSITION = (
    "this page ends within a position that brought more changes than one answer holds: go on with next_cursor, since "
    "meta.position begins it again"
)


async def list_changes(sources: ReadSources, query: ChangesQuery) -> Result:
    """
    This will list what changed after a position, oldest first.

    `meta.position` is how far the answer reaches: on a page before the last, the last position told as a whole. A page
    that begins behind such a position reaches further, however many changes the next one brought.

    Raises:
        QueryError: changes are kept from a later position on only; or the tables have not come to the position.
    """
    question = msgspec.structs.replace(query, cursor=None, min_position=None)
    place = Place(query.since_position)
    if query.cursor:
        (text,) = read_cursor(question, query.cursor, tuple[str])
        try:
            place = read_place(text)
        except ValueError:
            raise damaged() from None
    async with sources.snapshot() as snapshot:
        wanted = await wanted_by(snapshot, query)
        await refuse_unknown(snapshot, query.since_position)
        page = await _page_after(snapshot, wanted, place, limit=query.limit)
        freshness = snapshot.freshness

    def told_with(page: ChangePage) -> AnswerMeta:
        is_last = page.reached == Place(freshness.position)
        next_cursor = None if is_last else write_cursor(question, (page.reached.text,))
        position = max(query.since_position, page.reached.complete_to)
        warnings = [] if is_last or position > query.since_position else [_WITHIN_A_POSITION]
        meta = meta_of(freshness, next_cursor=next_cursor, warnings=warnings)
        return msgspec.structs.replace(meta, position=position)

    return Result(
        read_model=CHANGE,
        meta=told_with(page),
        rows=page.rows,
        meta_of_first=lambda count: told_with(page.first(count)),
    )


async def _page_after(snapshot: Snapshot, wanted: Wanted, place: Place, *, limit: int) -> ChangePage:
    """Changes behind a place, whole positions of them; all of a position where the page would end in its first."""
    page = await changes_after(snapshot, wanted, place, limit=limit)
    if page.is_last or page.reached.is_whole:
        return page
    if complete := sum(own.told_at <= page.reached.complete_to for own in page.places):
        return page.first(complete)
    if not place.is_whole:
        return page
    whole = await changes_after(snapshot, wanted, place, limit=_MOST_AT_ONCE, up_to=page.reached.told_at)
    return whole if whole.is_last else page
