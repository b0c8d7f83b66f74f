"""Changes pushed as they become readable: server-sent events, as browsers' EventSource reads them."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from queries.connections import ReadSources
from queries.errors import FieldError, QueryError, invalid_parameter, unavailable
from queries.rest.encoding import Numbers, encode_rows
from queries.service.change_follower import ChangeFollower
from queries.service.change_page import ChangePage
from queries.service.change_place import Place, read_place
from queries.service.change_query import StreamQuery, Wanted, refuse_unknown, wanted_by

logger = logging.getLogger(__name__)

type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

type Headers = list[tuple[bytes, bytes]]

_REST_SECONDS = 1.0
"""How long a database that cannot be read is left alone by a reader who catches up."""
CONTENT_TYPE = b"text/event-stream"


class StreamLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many may listen to one process, and how far each may fall behind."""

    listeners: int = 200
    queued_bytes: int = 1 << 20
    keepalive_seconds: float = 15.0
    patience_seconds: float = 10.0
    """How long one piece may take a reader whose connection is full."""


class _Ending(msgspec.Struct, frozen=True):
    """Why a stream ends, as its last event says."""

    code: str
    message: str
    fix: str


_TOO_SLOW = _Ending(
    "slow_reader",
    "changes came in faster than they were read",
    "Connect again with the id of the last event read as Last-Event-ID; nothing is lost.",
)
_STOPPING = _Ending(
    "server_stopping",
    "the server is being stopped",
    "Connect again with the id of the last event read as Last-Event-ID; nothing is lost.",
)
_NOT_ADMITTED = _Ending(
    "unauthenticated",
    "the API key counts no more",
    "Connect again with a key that does, and with the id of the last event read as Last-Event-ID; nothing is lost.",
)


class ChangeStreams:
    """Everybody who listens to changes in this process."""

    def __init__(self, sources: ReadSources, *, limits: StreamLimits) -> None:
        self._sources = sources
        self._limits = limits
        self._follower = ChangeFollower(sources)
        self._open: set[ChangeStream] = set()
        self._stopping = False

    async def open(self, query: Any, *, last_event_id: bytes, numbers: Numbers) -> "ChangeStream":
        """
        This will begin a stream behind the event a reader had last, or the position asked for, or from now.

        Raises:
            QueryError: changes since then are not known, too many listen, or a part of the question is wrong.
        """
        if self._stopping:
            raise unavailable("the server is being stopped")
        if query.min_position is not None:
            await self._sources.positions.reach(query.min_position)
        async with self._sources.snapshot() as snapshot:
            place = _beginning(query, last_event_id, newest=snapshot.freshness.position)
            await refuse_unknown(snapshot, place.complete_to)
            wanted = await wanted_by(snapshot, query)
        if len(self._open) >= self._limits.listeners:
            raise unavailable(f"{self._limits.listeners} readers listen to this process already")
        return ChangeStream(self, wanted=wanted, place=place, numbers=numbers)

    def end(self) -> None:
        """This will have every stream say that the server is stopping, and end."""
        self._stopping = True
        for stream in self._open:
            stream.end(_STOPPING)

    def close(self) -> None:
        """This will end the following as well."""
        self.end()
        self._follower.close()


class ChangeStream:
    """One reader's stream, from catching up until he leaves, falls behind, or the server stops."""

    def __init__(self, streams: ChangeStreams, *, wanted: Wanted, place: Place, numbers: Numbers) -> None:
        self._streams = streams
        self._limits = streams._limits
        self._wanted = wanted
        self._place = place
        self._numbers = numbers
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._ending: _Ending | None = None
        self._gone = False
        self._woken = asyncio.Event()
        streams._open.add(self)

    def tell(self, page: ChangePage) -> None:
        """This will queue what the reader wants of a page."""
        self._place = page.reached
        rows = [row for row in page.rows if row in self._wanted]
        if not rows or self._ending is not None:
            return
        event = _event(rows, page.reached, self._numbers)
        if self._queued_bytes + len(event) > self._limits.queued_bytes:
            self._queue.clear()
            self.end(_TOO_SLOW)
            return
        self._queue.append(event)
        self._queued_bytes += len(event)
        self._woken.set()

    def end(self, ending: _Ending) -> None:
        """This will have the stream end with what it says last."""
        self._ending = self._ending or ending
        self._woken.set()

    async def serve(
        self,
        receive: Receive,
        send: Send,
        headers: Headers,
        *,
        admitted: Callable[[], Awaitable[bool]],
        only_headers: bool = False,
    ) -> None:
        """This will send headers and then events until the stream ends, or its reader is admitted no more."""
        waiting_for_leave = asyncio.create_task(self._until_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            if only_headers:
                await send({"type": "http.response.body", "body": b""})
                return
            await self._send(send, b"retry: 1000\n: from %b\n\n" % self._place.text.encode())
            await self._catch_up(send)
            while not self._gone and not (self._ending and not self._queue):
                if self._ending is None and not await admitted():
                    self._queue.clear()
                    self.end(_NOT_ADMITTED)
                else:
                    await self._send_queued(send)
            if self._ending is not None and not self._gone:
                await self._send(send, b"event: end\ndata: %b\n\n" % msgspec.json.encode(self._ending))
            if not self._gone:
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            logger.info("a reader of changes took nothing for %s s and was left", self._limits.patience_seconds)
        finally:
            waiting_for_leave.cancel()
            self._streams._follower.leave(self)
            self._streams._open.discard(self)

    async def _catch_up(self, send: Send) -> None:
        follower = self._streams._follower
        while not self._gone and self._ending is None:
            try:
                page = await follower.catch_up(self._wanted, self._place)
                if page.rows:
                    await self._send(send, _event(page.rows, page.reached, self._numbers))
                self._place = page.reached
                if page.is_last and await follower.join(self, self._place):
                    return
            except QueryError:
                await asyncio.sleep(_REST_SECONDS)

    async def _send_queued(self, send: Send) -> None:
        if self._queue:
            event = self._queue.popleft()
            self._queued_bytes -= len(event)
            await self._send(send, event)
            return
        self._woken.clear()
        try:
            async with asyncio.timeout(self._limits.keepalive_seconds):
                await self._woken.wait()
        except TimeoutError:
            # What is told as the time runs out is in the queue: its id may not be sent before it.
            if not self._woken.is_set():
                # An id without data moves the place a reader comes back to and is no event.
                await self._send(send, b": keepalive\nid: %b\n\n" % self._place.text.encode())

    async def _send(self, send: Send, piece: bytes) -> None:
        async with asyncio.timeout(self._limits.patience_seconds):
            await send({"type": "http.response.body", "body": piece, "more_body": True})

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._woken.set()


def _beginning(query: StreamQuery, last_event_id: bytes, *, newest: int) -> Place:
    if last_event_id:
        try:
            return read_place(last_event_id.decode("ascii"))
        except ValueError:
            error = FieldError(
                pointer="Last-Event-ID", reason="it is no id of an event here", fix="send the id of the last event read"
            )
            raise invalid_parameter(error) from None
    return Place(newest if query.since_position is None else query.since_position)


def _event(rows: list[Any], reached: Place, numbers: Numbers) -> bytes:
    body = b'{"position":%d,"data":%b}' % (reached.complete_to, encode_rows(rows, numbers=numbers))
    return b"id: %b\nevent: changes\ndata: %b\n\n" % (reached.text.encode(), body)
