"""
The hot path: an ASGI application that answers every read without Django's handler and without a thread.

It knows the operations of the catalogue, checks arguments with their declarations and sends bytes.
"""

import hashlib
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, get_args
from urllib.parse import parse_qsl, unquote

from queries.connections import ReadSettings, ReadSources
from queries.errors import FieldError, QueryError, invalid_parameter
from queries.rest.catalog import CHANGE_STREAM, OPERATIONS
from queries.rest.encoding import Numbers, encode_json
from queries.rest.export_forms import FORMS, Form
from queries.rest.exports import Export, ExportAsked, Exports, ask_for_export
from queries.rest.operation import Operation, Question, ask
from queries.rest.pages import Page, make_pages
from queries.rest.stream import CONTENT_TYPE, ChangeStream, ChangeStreams, StreamLimits
from queries.service.arguments import Query, arguments_of, read_arguments
from queries.service.result import ReadyResult

logger = logging.getLogger(__name__)

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type Headers = list[tuple[bytes, bytes]]

MAX_PATH_BYTES = 4_000
MAX_QUERY_BYTES = 8_000
_SAFE_ID = re.compile(rb"[\x21-\x7e]{1,64}")
_NUMBERS: tuple[Numbers, ...] = get_args(Numbers)
_ALLOW = b"GET, HEAD, OPTIONS"
_JSON = b"application/json"
_ACCEPTED_AS_JSON = frozenset({"*/*", "application/*", "application/json", "application/problem+json"})
_ACCEPTED_AS_EVENTS = frozenset({"*/*", "text/*", CONTENT_TYPE.decode()})
EVERY_ANSWER: Headers = [
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"content-disposition, etag, link, retry-after, www-authenticate, x-factfold-position, "
        b"x-factfold-source, x-request-id",
    ),
    (b"x-content-type-options", b"nosniff"),
]
_SERVICE_DESCRIPTION = (b"link", b'</schema/openapi.json>; rel="service-desc"')
_PREFLIGHT: Headers = [
    (b"allow", _ALLOW),
    (b"access-control-allow-methods", _ALLOW),
    (b"access-control-allow-headers", b"authorization, if-none-match, last-event-id, x-request-id"),
    (b"access-control-max-age", b"86400"),
]


class Problem(Protocol):
    """An answer that is not a success."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Iterable[tuple[str, str]]: ...
    @property
    def body(self) -> bytes: ...


class ProblemFor(Protocol):
    """Turns an exception into the answer its reader gets."""

    def __call__(self, error: Exception, *, request_id: str) -> Problem: ...


class _Asked(NamedTuple):
    """A question whose answer is wanted as JSON."""

    operation: Operation
    query: Query
    numbers: Numbers


class _StreamAsked(NamedTuple):
    """A question whose answer goes on."""

    query: Query
    numbers: Numbers


class _Found(NamedTuple):
    operation: Question
    in_path: tuple[tuple[str, str], ...]
    form: Form | None


def create_app(
    settings: ReadSettings, problem_for: ProblemFor, *, stream_limits: StreamLimits | None = None
) -> "ReadApi":
    """This will make the read side of an installation; `startup()` connects it."""
    return ReadApi(ReadSources(settings), problem_for=problem_for, limits=stream_limits or StreamLimits())


class ReadApi:
    """Answers the operations of the catalogue, their documents, and `/livez`."""

    def __init__(self, sources: ReadSources, *, problem_for: ProblemFor, limits: StreamLimits) -> None:
        self.sources = sources
        self._streams = ChangeStreams(sources, limits=limits)
        self._exports = Exports(sources)
        self._problem_for = problem_for
        self._pages: Mapping[str, Page] = {}
        visibility = b"public" if "read" in sources.settings.anonymous else b"private"
        self._cache_control = {
            operation.operation_id: b"%b, max-age=%d, stale-while-revalidate=%d"
            % (visibility, operation.read_model.cache_seconds, operation.read_model.cache_seconds * 6)
            for operation in OPERATIONS
        }

    async def startup(self) -> None:
        """This will open the connections and write the documents."""
        self._pages = make_pages()
        await self.sources.open()

    def end_streams(self) -> None:
        """This will have every stream of changes say that the server is stopping, and end."""
        self._streams.end()

    async def shutdown(self) -> None:
        """This will give the connections back."""
        self._streams.close()
        self._exports.close()
        await self.sources.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        accept = none_match = last_event_id = b""
        request_id = b""
        for name, value in scope["headers"]:
            if name == b"accept":
                accept = b"%b,%b" % (accept, value) if accept else value
            elif name == b"if-none-match":
                none_match = value
            elif name == b"last-event-id":
                last_event_id = value
            elif name == b"x-request-id":
                request_id = value
        if not _SAFE_ID.fullmatch(request_id):
            request_id = secrets.token_hex(12).encode()
        try:
            status, headers, body = await self._answer(
                scope, accept=accept, none_match=none_match, last_event_id=last_event_id
            )
        except Exception as error:
            status, headers, body = self._refuse(error, request_id=request_id.decode())
        headers += EVERY_ANSWER
        headers.append((b"x-request-id", request_id))
        if isinstance(body, ChangeStream):
            admitted = scope.get("still_admitted", _everybody)
            await body.serve(receive, send, headers, admitted=admitted, only_headers=scope["method"] == "HEAD")
            return
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if isinstance(body, bytes):
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
            return
        try:
            if scope["method"] != "HEAD":
                async for chunk in self._exports.chunks(body):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._exports.forget(body)

    async def _answer(
        self, scope: Scope, *, accept: bytes, none_match: bytes, last_event_id: bytes
    ) -> tuple[int, Headers, bytes | Export | ChangeStream]:
        path: str = scope["path"]
        if path == "/livez":
            return _document(b'{"status":"alive"}')
        page = self._pages.get(path)
        if page is not None:
            scope["route"] = path
        if page is not None and scope["method"] in ("GET", "HEAD"):
            if none_match and _matches(none_match, page.etag):
                return 304, list(page.kept), b""
            return 200, list(page.headers), page.body
        if path in ("/", "/docs/"):
            return 307, [(b"location", b"/docs"), (b"content-length", b"0")], b""
        raw_path = scope.get("raw_path") or path.encode()
        found = _find(raw_path.partition(b"?")[0])
        scope["route"] = found.operation.path + (found.form.suffix if found.form else "")
        method = scope["method"]
        if method == "OPTIONS":
            return 204, [*_PREFLIGHT], b""
        if method not in ("GET", "HEAD"):
            raise QueryError(
                code="method_not_allowed",
                message=f"{method} is not answered here",
                fix="Use GET.",
                allow=_ALLOW.decode(),
            )
        accepted, content_type = _form_of(found)
        if accept and not _acceptable(accept, accepted):
            raise QueryError(
                code="not_acceptable",
                message=f"this address answers {content_type} only",
                fix="Drop Accept, or put .csv or .parquet behind the path where the operation offers it.",
            )
        asked = _read_question(found, scope["query_string"])
        if isinstance(asked, ExportAsked):
            return await self._export(asked, none_match=none_match)
        if isinstance(asked, _StreamAsked):
            stream = await self._streams.open(asked.query, last_event_id=last_event_id, numbers=asked.numbers)
            return 200, [(b"content-type", CONTENT_TYPE), (b"cache-control", b"no-store")], stream
        result = await ask(asked.operation, self.sources, asked.query)
        body = encode_json(result, numbers=asked.numbers)
        if isinstance(result, ReadyResult):
            position, source, next_cursor = result.position, b"redis", result.next_cursor
        else:
            position, source, next_cursor = result.meta.position, result.meta.source.encode(), result.meta.next_cursor
        # The position alone would do between two refreshes of the aggregates, but series may move on before them.
        etag = b'"%d-%b"' % (position, hashlib.blake2b(body, digest_size=8).hexdigest().encode())
        headers = self._headers(asked.operation, etag=etag, position=position, source=source)
        if next_cursor is not None:
            headers.append((b"link", _next_page(scope, next_cursor)))
        if none_match and _matches(none_match, etag):
            return 304, headers, b""
        headers += [(b"content-type", _JSON), (b"content-length", b"%d" % len(body))]
        return 200, headers, body

    async def _export(self, asked: ExportAsked, *, none_match: bytes) -> tuple[int, Headers, bytes | Export]:
        export = await self._exports.write(asked, holds=lambda etag: _matches(none_match, etag))
        headers = self._headers(asked.operation, etag=export.etag, position=export.position, source=b"postgres")
        if export.file is None:
            return 304, headers, b""
        headers += [
            (b"content-type", asked.form.content_type.encode()),
            (b"content-length", b"%d" % export.size),
            (b"content-disposition", f'attachment; filename="{export.name}"'.encode()),
        ]
        return 200, headers, export

    def _headers(self, operation: Operation, *, etag: bytes, position: int, source: bytes) -> Headers:
        return [
            (b"etag", etag),
            (b"cache-control", self._cache_control[operation.operation_id]),
            (b"x-factfold-position", b"%d" % position),
            (b"x-factfold-source", source),
            _SERVICE_DESCRIPTION,
        ]

    def _refuse(self, error: Exception, *, request_id: str) -> tuple[int, Headers, bytes]:
        problem = self._problem_for(error, request_id=request_id)
        headers: Headers = [(name.encode(), value.encode()) for name, value in problem.headers]
        headers.append((b"content-length", b"%d" % len(problem.body)))
        if isinstance(error, QueryError):
            if error.allow is not None:
                headers.append((b"allow", error.allow.encode()))
            if error.position is not None:
                headers.append((b"x-factfold-position", b"%d" % error.position))
        return problem.status, headers, problem.body


async def _everybody() -> bool:
    return True


def _form_of(found: _Found) -> tuple[frozenset[str], str]:
    """What a reader may accept, and what he gets."""
    if found.form is not None:
        return found.form.accepted, found.form.content_type
    if found.operation is CHANGE_STREAM:
        return _ACCEPTED_AS_EVENTS, CONTENT_TYPE.decode()
    return _ACCEPTED_AS_JSON, _JSON.decode()


@lru_cache(maxsize=4096)
def _find(raw_path: bytes) -> _Found:
    """
    The operation that stands at a path, with the words its template takes from it.

    Raises:
        QueryError: none does.
    """
    if len(raw_path) > MAX_PATH_BYTES:
        raise invalid_parameter(
            FieldError(pointer="", reason="the path is too long", fix=f"keep it below {MAX_PATH_BYTES} bytes")
        )
    parts = [unquote(part, errors="replace") for part in raw_path.decode("ascii", "replace").split("/")]
    for operation in (*OPERATIONS, CHANGE_STREAM):
        template = operation.path.split("/")
        if len(template) != len(parts):
            continue
        # Where nothing is exported the rest is taken as it is: a ticker may end in .csv for all we know.
        form = next((form for form in FORMS if operation.exported and parts[-1].endswith(form.suffix)), None)
        words = [*parts[:-1], parts[-1].removesuffix(form.suffix)] if form else parts
        pairs = list(zip(template, words, strict=True))
        if all(wanted == word or (wanted.startswith("{") and word) for wanted, word in pairs):
            taken = tuple((wanted[1:-1], word) for wanted, word in pairs if wanted.startswith("{"))
            return _Found(operation, taken, form)
    raise QueryError(
        code="not_found",
        message=f"nothing stands at {'/'.join(parts)}",
        fix="See /docs for what can be asked.",
        candidates=[operation.path for operation in (*OPERATIONS, CHANGE_STREAM)],
    )


@lru_cache(maxsize=4096)
def _read_question(found: _Found, query_string: bytes) -> _Asked | _StreamAsked | ExportAsked:
    """
    The question a query string asks.

    Raises:
        QueryError: a parameter is unknown, missing or outside its limits.
    """
    if len(query_string) > MAX_QUERY_BYTES:
        raise invalid_parameter(
            FieldError(pointer="", reason="the query is too long", fix=f"keep it below {MAX_QUERY_BYTES} bytes")
        )
    operation = found.operation
    declared = arguments_of(operation.query)
    given: dict[str, Any] = dict(found.in_path)
    numbers: Numbers = "number"
    for name, value in parse_qsl(query_string.decode("ascii", "replace"), keep_blank_values=True):
        if name == "numbers" and found.form is None:
            if value not in _NUMBERS:
                raise invalid_parameter(
                    FieldError(pointer="numbers", reason=f"{value!r} is unknown", fix="numbers is one of number, text")
                )
            numbers = "text" if value == "text" else "number"
        elif name in found.operation.path and f"{{{name}}}" in found.operation.path:
            raise invalid_parameter(
                FieldError(pointer=name, reason="it stands in the path", fix=f"drop {name} from the query")
            )
        elif name not in given:
            given[name] = value
        elif name in declared and declared[name].is_list:
            held = given[name]
            given[name] = [*(held if isinstance(held, list) else [held]), value]
        else:
            raise invalid_parameter(FieldError(pointer=name, reason="it is given twice", fix=f"give {name} once"))
    query = read_arguments(operation.query, given)
    if not isinstance(operation, Operation):
        return _StreamAsked(query, numbers)
    if found.form is not None:
        return ask_for_export(operation, query, found.form, given)
    return _Asked(operation, query, numbers)


@lru_cache(maxsize=1024)
def _acceptable(accept: bytes, accepted: frozenset[str]) -> bool:
    for choice in accept.decode("latin-1").split(","):
        kind, _, parameters = choice.partition(";")
        refused = re.search(r"\bq=0(\.0*)?\s*(;|$)", parameters)
        if kind.strip().lower() in accepted and not refused:
            return True
    return False


def _matches(none_match: bytes, etag: bytes) -> bool:
    given = (part.strip().removeprefix(b"W/") for part in none_match.split(b","))
    return any(part in (b"*", etag) for part in given)


def _next_page(scope: Scope, cursor: str) -> bytes:
    kept = [part for part in scope["query_string"].split(b"&") if part and not part.startswith(b"cursor=")]
    path = scope.get("raw_path") or scope["path"].encode()
    return b'<%b?%b>; rel="next"' % (path.partition(b"?")[0], b"&".join([*kept, b"cursor=" + cursor.encode()]))


def _document(body: bytes) -> tuple[int, Headers, bytes]:
    return (
        200,
        [(b"content-type", _JSON), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")],
        body,
    )
