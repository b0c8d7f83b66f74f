"""
What can be asked, declared once.

A query is a frozen struct; each field's annotation carries its limits, help text and example. REST parameters, the
OpenAPI document and the tools' input schemas follow from it, and both doors check their arguments with it.
"""

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Annotated, Any, Literal

import msgspec

from queries.errors import FieldError, QueryError, invalid_parameter
from queries.event_token import MIN_POSITION_PATTERN, EventToken, read_min_position
from queries.metrics.periods import end_of_day

_BOUND = re.compile(r"Expected `(?P<kind>\w+)`(?P<length> of length)? (?P<sign><=|>=) (?P<limit>-?\d+)")
_CHOICE = re.compile(r"Invalid enum value ('.*')", re.DOTALL)
_FORM = re.compile(r"Expected `str` matching regex '(.*)'")
_KIND = re.compile(r"Expected `(\w+)`, got `.*`")
_KINDS = {"int": "a whole number", "str": "text", "array": "a list"}
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,40}")


def argument(
    text: str,
    *,
    example: Any,
    ge: int | None = None,
    le: int | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
    in_path: bool = False,
    of: str | None = None,
    read: Callable[[str], Any] | None = None,
    repeated: bool = False,
) -> msgspec.Meta:
    """
    This will describe a field of a query: help text for API users, an example, its limits.

    `of` names the component of the OpenAPI document that lists what the field, or each of its values, may be; `read`
    turns the text of the argument into the field's value where the type alone does not say how. A list is `repeated`
    where a URL gives each value by itself, since values may hold commas.
    """
    limits: dict[str, Any] = {
        "ge": ge,
        "le": le,
        "min_length": min_length,
        "max_length": max_length,
        "pattern": pattern,
    }
    return msgspec.Meta(
        description=text,
        examples=[example],
        extra={"in_path": in_path, "of": of, "read": read, "repeated": repeated},
        **{name: limit for name, limit in limits.items() if limit is not None},
    )


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """
    One field of a query, taken apart.

    `name` is what a reader writes, `field` what the struct calls it; `kind` is the type without None; `limits` is the
    annotated type that is checked.
    """

    name: str
    field: str
    kind: Any
    limits: Any
    meta: msgspec.Meta
    required: bool
    default: Any
    in_path: bool
    of: str | None
    read: Callable[[str], Any] | None
    repeated: bool

    @property
    def is_list(self) -> bool:
        """Whether several values may be given."""
        return typing.get_origin(self.kind) is tuple

    @property
    def choices(self) -> tuple[str, ...]:
        """The words the argument may be, where it is one of a few."""
        return typing.get_args(self.kind) if typing.get_origin(self.kind) is Literal else ()


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What may be said with every question."""

    min_position: Annotated[
        EventToken | int | None,
        argument(
            "Answer from this position, or that of a command's token, on; waits a moment for it.",
            example="event-4711",
            pattern=MIN_POSITION_PATTERN,
            read=read_min_position,
        ),
    ] = None

    @property
    def least_position(self) -> int:
        """The position an answer has to have come to; that of a token is known only once it was waited for."""
        return self.min_position if isinstance(self.min_position, int) else 0


@cache
def arguments_of(query: type[Query]) -> dict[str, Argument]:
    """This will read the declaration of a query from its annotations: its own fields first, what it inherits last."""
    hints = typing.get_type_hints(query, include_extras=True)
    declared_by = {name: depth for depth, owner in reversed([*enumerate(query.__mro__)]) for name in _own(owner)}
    fields = sorted(msgspec.structs.fields(query), key=lambda field: declared_by[field.name])
    return {field.encode_name: _argument(hints[field.name], field) for field in fields}


def read_arguments[Q: Query](query: type[Q], given: Mapping[str, Any]) -> Q:
    """
    This will check arguments and build the query they make. Text is read as a URL carries it: numbers in digits, lists
    with commas; JSON values are taken as they are.

    Raises:
        QueryError: an argument is unknown, missing or outside its limits; every such argument is named at once.
    """
    declared = arguments_of(query)
    problems: list[FieldError] = []
    values: dict[str, Any] = {}
    codes: set[str] = set()
    for name, raw in given.items():
        known = declared.get(name)
        if known is None:
            codes.add("unknown_parameter")
            problems.append(
                FieldError(pointer=name, reason="there is no such parameter", fix=f"use {', '.join(declared)}")
            )
            continue
        try:
            values[known.field] = read_value(known, raw)
        except ValueError as error:
            codes.add("invalid_parameter")
            problems.append(FieldError(pointer=name, reason=str(error), fix=explain(known)))
    for name, known in declared.items():
        if known.required and name not in given:
            codes.add("missing_parameter")
            problems.append(FieldError(pointer=name, reason="it is required", fix=explain(known)))
    if problems:
        refusal = invalid_parameter(*problems)
        refusal.code = codes.pop() if len(codes) == 1 else "invalid_parameter"
        raise refusal
    return query(**values)


def read_value(known: Argument, raw: Any) -> Any:
    """
    This will turn what was sent for an argument into its value.

    Raises:
        ValueError: it is not such a value; the message says why.
    """
    if any(isinstance(text, str) and "\x00" in text for text in (raw if isinstance(raw, list) else [raw])):
        raise ValueError("it contains a zero character")
    if known.read is not None and type(raw) is int:
        raw = str(raw)
    if isinstance(raw, str):
        if known.read is not None:
            if known.meta.max_length is not None and len(raw) > known.meta.max_length:
                raise ValueError(f"it is longer than {known.meta.max_length} characters")
            return known.read(raw)
        if known.kind is int and not _WHOLE_NUMBER.fullmatch(raw):
            raise ValueError("it is not a whole number")
        if known.is_list:
            raw = [raw] if known.repeated else [part.strip() for part in raw.split(",") if part.strip()]
    elif known.read is not None and raw is not None:
        raise ValueError("it has to be text")
    try:
        return msgspec.convert(raw, known.limits, strict=not isinstance(raw, str))
    except msgspec.ValidationError as error:
        raise ValueError(_reason(str(error))) from None


def explain(known: Argument) -> str:
    """This will say in a line what an argument may be."""
    if known.choices:
        return f"{known.name} is one of {', '.join(known.choices)}"
    example = known.meta.examples[0] if known.meta.examples else None
    if isinstance(example, list):
        example = f"&{known.name}=".join(map(str, example)) if known.repeated else ",".join(map(str, example))
    return f"{known.name}: {known.meta.description} Example: {example}"


def read_as_of(text: str) -> datetime:
    """
    The instant a reader means: a date stands for its end in US Eastern time, an instant for itself.

    Raises:
        ValueError: the text is neither.
    """
    try:
        if len(text) == 10:
            return end_of_day(date.fromisoformat(text))
        # "+" arrives as a blank when a client forgot to encode it.
        instant = datetime.fromisoformat(text.replace(" ", "+") if text.count(":") > 2 else text)
        if instant.tzinfo is None:
            raise ValueError("it has no offset")
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("it is neither a date nor an instant with its offset") from None


AsOf = Annotated[
    datetime | None,
    argument(
        "What was known at a date (its end, US Eastern) or an instant with offset.",
        example="2023-12-31",
        max_length=40,
        read=read_as_of,
    ),
]

Cursor = Annotated[
    str | None,
    # It may hold the longest name a company can have, 500 letters of up to four bytes.
    argument("The next_cursor of the page before.", example="WzMyMDE5M10", max_length=3000),
]


def contradiction(pointer: str, *, reason: str, fix: str) -> QueryError:
    """This will build the error for arguments that are fine one by one but not together."""
    return invalid_parameter(FieldError(pointer=pointer, reason=reason, fix=fix))


def _own(owner: type) -> list[str]:
    return list(inspect.get_annotations(owner))


def _argument(hint: Any, field: msgspec.structs.FieldInfo) -> Argument:
    inner, meta = typing.get_args(hint)[:2]
    kind = inner
    if typing.get_origin(inner) in (typing.Union, types.UnionType):
        kind = next(option for option in typing.get_args(inner) if option is not types.NoneType)
    extra = meta.extra or {}
    required = field.required
    limits: dict[str, Any] = {name: getattr(meta, name) for name in ("ge", "le", "min_length", "max_length", "pattern")}
    if extra.get("read"):
        limits = {}
    return Argument(
        name=field.encode_name,
        field=field.name,
        kind=kind,
        limits=Annotated[kind, msgspec.Meta(**limits)],
        meta=meta,
        required=required,
        default=None if required else field.default,
        in_path=bool(extra.get("in_path")),
        of=extra.get("of"),
        read=extra.get("read"),
        repeated=bool(extra.get("repeated")),
    )


def _reason(text: str) -> str:
    """What the checking library says, in words for people."""
    told = re.sub(r" - at `\$.*`$", "", text)
    if bound := _BOUND.fullmatch(told):
        most = "at most" if bound["sign"] == "<=" else "at least"
        unit = "" if not bound["length"] else " characters long" if bound["kind"] == "str" else " values long"
        return f"it has to be {most} {bound['limit']}{unit}"
    if choice := _CHOICE.fullmatch(told):
        return f"{choice[1]} is none of its values"
    if form := _FORM.fullmatch(told):
        return f"it has not the form {form[1].replace(r'\\', '\\')}"
    if kind := _KIND.fullmatch(told):
        return f"it is not {_KINDS.get(kind[1], kind[1])}"
    return told[0].lower() + told[1:]
