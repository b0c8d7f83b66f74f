"""
Whole answers as files: every page of a question, read in one snapshot, written before the first byte is sent.

So a file is never of two states of the figures, its tag is that of its bytes, a failure is told by a status and not by
a file cut short, and a slow reader holds no connection of the database.
"""

import asyncio
import hashlib
import re
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import IO, Any

import msgspec

from queries.connections import HeldSources, ReadSources
from queries.errors import FieldError, invalid_parameter, unavailable
from queries.rest.export_forms import Form, Writer
from queries.rest.operation import Operation
from queries.service.arguments import Query, arguments_of
from queries.service.result import ReadyResult
from queries.service.state import state_of

AT_ONCE = 2
"""Exports written at the same time in a process; each holds a thread and a connection of the database meanwhile."""

PAGE_ROWS = 1000
IN_MEMORY_BYTES = 1 << 20
"""What a file may have before it lies on disk."""

CHUNK_BYTES = 1 << 18
TAGS_KEPT = 1024
_NAMED = ("companies", "metric", "metrics", "group_by", "groups", "group", "period", "as_of")
"""The arguments that the name of a file tells."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """An exported answer. `file` is None where the reader holds these very bytes already."""

    position: int
    etag: bytes
    name: str
    size: int
    file: IO[bytes] | None


class ExportAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A question whose whole answer is wanted as a file. `limited` says that only its first page is meant."""

    operation: Operation
    query: Query
    form: Form
    limited: bool
    name: str


class Exports:
    """Writes exports in threads of its own."""

    def __init__(self, sources: ReadSources) -> None:
        self._sources = sources
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="export")
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tags: OrderedDict[ExportAsked, tuple[str, Export]] = OrderedDict()

    async def write(self, asked: ExportAsked, *, holds: Callable[[bytes], bool]) -> Export:
        """
        This will write the whole answer to a question, unless `holds` says of its tag that the reader has it.

        Raises:
            QueryError: there is no answer, or too many exports are being written.
        """
        if asked.query.min_position is not None:
            await self._sources.positions.reach(asked.query.min_position)
        async with self._place(), self._sources.snapshot() as snapshot:
            state = await state_of(snapshot)
            known = self._tags.get(asked)
            if known is not None and known[0] == state and holds(known[1].etag):
                return known[1]
            export = await self._file(asked, HeldSources(self._sources.settings, snapshot))
        told = msgspec.structs.replace(export, file=None)
        self._tags[asked] = (state, told)
        self._tags.move_to_end(asked)
        if len(self._tags) > TAGS_KEPT:
            self._tags.popitem(last=False)
        if not holds(export.etag):
            return export
        self.forget(export)
        return told

    async def chunks(self, export: Export) -> AsyncIterator[bytes]:
        """This will give the bytes of an export piece by piece."""
        while export.file is not None and (chunk := await self._in_thread(export.file.read, CHUNK_BYTES)):
            yield chunk

    def forget(self, export: Export) -> None:
        """This will give the space of an export's file back."""
        if export.file is not None:
            export.file.close()

    def close(self) -> None:
        """This will end the threads; what they are writing is written to its end."""
        self._threads.shutdown(wait=False)

    async def _file(self, asked: ExportAsked, sources: ReadSources) -> Export:
        # Whoever reads the export closes it.
        file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115
        try:
            writer: Writer = await self._in_thread(asked.form.writer, file, asked.operation.read_model)
            position = 0
            async for result in _pages(asked, sources):
                position = result.meta.position
                for start in range(0, len(result.rows), PAGE_ROWS):
                    await self._in_thread(writer.add, result.rows[start : start + PAGE_ROWS])
            await self._in_thread(writer.finish)
            size, digest = await self._in_thread(_measure, file)
        except BaseException:
            file.close()
            raise
        etag = b'"%d-%b"' % (position, digest.encode())
        name = f"{asked.name}-{position}{asked.form.suffix}"
        return Export(position=position, etag=etag, name=name, size=size, file=file)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._sources.tables.wait_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise unavailable(f"{AT_ONCE} exports are being written and others wait") from None
        try:
            yield
        finally:
            self._places.release()

    async def _in_thread[**P, R](self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))


def ask_for_export(operation: Operation, query: Query, form: Form, given: Mapping[str, Any]) -> ExportAsked:
    """
    This will make of a question the question for its whole answer; a `limit` that is given says how much of it.

    Raises:
        QueryError: a page was asked for.
    """
    if "cursor" in given:
        raise invalid_parameter(
            FieldError(pointer="cursor", reason="an export has no pages", fix="drop cursor to get the whole answer")
        )
    limit = arguments_of(operation.query).get("limit")
    limited = "limit" in given
    if limit is not None and not limited:
        query = msgspec.structs.replace(query, limit=min(limit.meta.le or PAGE_ROWS, PAGE_ROWS))
    return ExportAsked(operation=operation, query=query, form=form, limited=limited, name=_name(operation, given))


async def _pages(asked: ExportAsked, sources: ReadSources) -> AsyncIterator[Any]:
    query = asked.query
    while True:
        result = await asked.operation.answer(sources, query)
        whole = result.unpack() if isinstance(result, ReadyResult) else result
        yield whole
        if asked.limited or whole.meta.next_cursor is None:
            return
        query = msgspec.structs.replace(query, cursor=whole.meta.next_cursor)


def _measure(file: IO[bytes]) -> tuple[int, str]:
    """How large a file is, and the hash of its bytes; it stands at its beginning afterwards."""
    file.seek(0)
    digest = hashlib.blake2b(digest_size=8)
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    size = file.tell()
    file.seek(0)
    return size, digest.hexdigest()


def _name(operation: Operation, given: Mapping[str, Any]) -> str:
    """Words that tell a file from others: those of the path, then what was asked for."""
    words = [word.format_map(given) for word in operation.path.split("/")[2:]]
    in_path = {word[1:-1] for word in operation.path.split("/") if word.startswith("{")}
    words += [text for name in _NAMED if name in given and name not in in_path for text in _texts(given[name])]
    return _NOT_IN_NAMES.sub("-", "-".join(["factfold", *words])).strip("-.")[:120]


def _texts(value: Any) -> list[str]:
    return list(map(str, value)) if isinstance(value, list) else [str(value)]
