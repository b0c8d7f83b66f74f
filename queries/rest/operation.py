"""What an operation of the REST interface is."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from queries.cache import kept_answer
from queries.connections import HeldSources, ReadSources
from queries.read_models.declaration import ReadModel
from queries.service.arguments import Query
from queries.service.result import ReadyResult, Result

Answer = Callable[[ReadSources, Any], Awaitable[Result | ReadyResult]]


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """How agents know an operation. `description` says what it gives; when to use another tool stands there too."""

    name: str
    title: str
    description: str


class Question(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What can be asked with GET at one path. `errors` are the problems there may be besides those there always may."""

    operation_id: str
    path: str
    tag: str
    summary: str
    description: str
    query: type[Query]
    exported: bool = False
    errors: tuple[int, ...] = ()


class Operation(Question, frozen=True, kw_only=True, eq=False):
    """
    A question answered with rows.

    Routes, argument checks, OpenAPI and tools all follow from this. `example` holds rows of the read model as the 200
    example shows them; `exported` says whether the path may end in .csv or .parquet, for the whole answer as a file;
    `keeps_past` that answers as of an instant, or of members of then, take long enough to be kept: they may depend on
    nothing but the question and the tables.
    """

    read_model: ReadModel
    answer: Answer
    keeps_past: bool = False
    example: tuple[Mapping[str, Any], ...]
    tool: Tool | None = None


async def ask(operation: Operation, sources: ReadSources, query: Query) -> Result | ReadyResult:
    """
    This will answer one question, after waiting for the position it names.

    Raises:
        QueryError: there is no answer, or not one so fresh.
    """
    if query.min_position is not None:
        query = msgspec.structs.replace(query, min_position=await sources.positions.reach(query.min_position))
    if operation.keeps_past and _is_of_the_past(query):
        return await kept_answer(
            sources,
            query=query,
            read_model=operation.read_model,
            work=lambda snapshot: operation.answer(HeldSources(sources.settings, snapshot), query),
        )
    return await operation.answer(sources, query)


def _is_of_the_past(query: Query) -> bool:
    return getattr(query, "as_of", None) is not None or getattr(query, "members", None) == "then"
