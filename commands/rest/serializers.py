"""How commands are written in requests: the declaration behind validation, schema and documentation."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, ClassVar, get_args

import msgspec
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from commands.companies.change_tickers import ChangeTickers
from commands.companies.events import SizeClass
from commands.companies.merge_company import MergeCompany
from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.record_acceptance import RecordAcceptance
from commands.companies.register_company import RegisterCompany
from commands.companies.rename_company import RenameCompany
from commands.errors import FieldError, InvalidCommand
from commands.filings.events import ConceptFacts, FactValue
from commands.filings.report_filing import ReportFiling
from commands.filings.withdraw_filing import WithdrawFiling
from commands.messages import Command
from commands.strict_json import Number, pointer_part

PROBLEM = {"$ref": "#/components/schemas/Problem"}
"""The published form of every error, declared once for the whole API."""
MOST_FACTS = 200_000
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SIZE_CLASSES = f"The filer's class by its own statement: {', '.join(get_args(SizeClass))}."
_FACT_PLACE = re.compile(r"/facts/([0-9]+)/([0-9]+)(/.+)")
_REPAIRS = {
    "required": "add it",
    "null": "give it a value or leave it out",
    "unknown": "remove it, or correct its name",
}


@extend_schema_field(OpenApiTypes.STR)
class TextField(serializers.Field):
    """Text, kept to the letter. What it may hold is checked by the command itself."""

    default_error_messages: ClassVar = {"invalid": "is not text"}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or isinstance(data, Number):
            self.fail("invalid")
        return str(data)

    def to_representation(self, value: str) -> str:
        return value


@extend_schema_field({"oneOf": [{"type": "number"}, {"type": "string"}]})
class ValueField(TextField):
    """A number, written as a JSON number or as text. Filings are read without it; it is here to be published."""


class DayField(serializers.DateField):
    """A date as YYYY-MM-DD and nothing else."""

    def to_internal_value(self, data: Any) -> date:
        if isinstance(data, str) and not isinstance(data, Number) and _DATE.fullmatch(data):
            try:
                return date.fromisoformat(data)
            except ValueError:
                pass
        raise serializers.ValidationError("is no calendar date of the form YYYY-MM-DD", code="invalid")


class InstantField(serializers.DateTimeField):
    """An instant with its offset from UTC (RFC 3339)."""

    def to_internal_value(self, data: Any) -> datetime:
        if isinstance(data, str) and not isinstance(data, Number) and _INSTANT.fullmatch(data):
            try:
                return datetime.fromisoformat(data.upper())
            except ValueError:
                pass
        raise serializers.ValidationError("is no instant with an offset from UTC, such as 2024-11-01T10:01:36Z")


class FactSerializer(serializers.Serializer):
    """One reported value."""

    concept = TextField(help_text="Taxonomy and name joined by a colon.")
    unit = TextField(help_text="The unit as filed, such as USD, shares or USD/shares.")
    start = DayField(required=False, allow_null=True, help_text="First day of the period; left out for an instant.")
    end = DayField(help_text="Last day of the period, or the instant itself.")
    value = ValueField(help_text="An exact decimal, as a JSON number or as text; at most 30 significant digits.")


_FACT_FIELDS = frozenset(FactSerializer().fields)


class GivenFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts grouped by concept and unit, and for each where it stood in the request."""

    facts: tuple[ConceptFacts, ...]
    places: tuple[tuple[int, ...], ...]


@extend_schema_field(FactSerializer(many=True))
class FactsField(serializers.Field):
    """The facts of a filing, read without a serializer for each: a batch may hold hundreds of thousands."""

    def to_internal_value(self, data: Any) -> GivenFacts:
        if not isinstance(data, list):
            raise serializers.ValidationError("is not a list of facts")
        if len(data) > MOST_FACTS:
            raise serializers.ValidationError(f"has {len(data)} facts, more than {MOST_FACTS}")
        groups: dict[tuple[str, str], tuple[list[FactValue], list[int]]] = {}
        errors: list[FieldError] = []
        for index, fact in enumerate(data):
            if (wrong := list(_shape_errors(fact, pointer=f"/facts/{index}"))) or errors:
                errors.extend(wrong)
                if len(errors) >= 50:
                    break
                continue
            values, places = groups.setdefault((fact["concept"], fact["unit"]), ([], []))
            values.append((fact.get("start"), fact["end"], str(fact["value"])))
            places.append(index)
        if errors:
            raise InvalidCommand(errors)
        return GivenFacts(
            facts=tuple((concept, unit, tuple(values)) for (concept, unit), (values, _) in groups.items()),
            places=tuple(tuple(places) for _, places in groups.values()),
        )

    def to_representation(self, value: Any) -> Any:
        return value


def _shape_errors(fact: Any, *, pointer: str) -> Iterator[FieldError]:
    if type(fact) is not dict:
        yield FieldError(pointer=pointer, reason="is not an object", fix="send concept, unit, end and value of a fact")
        return
    for name in ("concept", "unit", "end", "value"):
        text = fact.get(name)
        if text is None:
            yield FieldError(pointer=f"{pointer}/{name}", reason="is missing", fix="add it")
        elif type(text) is not str and not (name == "value" and type(text) is Number):
            yield FieldError(
                pointer=f"{pointer}/{name}",
                reason="is no number" if name == "value" else "is not text",
                fix="write an exact decimal number" if name == "value" else "write it in quotes",
            )
    start = fact.get("start")
    if start is not None and type(start) is not str:
        yield FieldError(pointer=f"{pointer}/start", reason="is not text", fix="write a date as YYYY-MM-DD")
    if not fact.keys() <= _FACT_FIELDS:
        for name in sorted(fact.keys() - _FACT_FIELDS):
            yield FieldError(
                pointer=f"{pointer}/{pointer_part(name)}", reason="is no field of a fact", fix=_REPAIRS["unknown"]
            )


class AcceptanceSerializer(serializers.Serializer):
    """When EDGAR accepted one filing."""

    accession = TextField(help_text="Accession number, NNNNNNNNNN-NN-NNNNNN.")
    accepted_at = InstantField(help_text="The instant of acceptance.")


class CommandSerializer(serializers.Serializer):
    """What all commands have in common."""

    cik = serializers.IntegerField(
        min_value=1, max_value=9_999_999_999, help_text="The company's Central Index Key, a whole number."
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, Mapping) and (unknown := data.keys() - self.fields.keys()):
            raise serializers.ValidationError(
                {
                    pointer_part(name): [serializers.ErrorDetail("is no field of this command", code="unknown")]
                    for name in sorted(unknown)
                }
            )
        values: dict[str, Any] = super().to_internal_value(data)
        return values


class RegisterCompanySerializer(CommandSerializer):
    """Make a company known."""

    name = TextField(help_text="Name as filed.")
    sic = TextField(required=False, allow_null=True, help_text="Industry code, four digits.")
    country = TextField(required=False, allow_null=True, help_text="Country, two letters as in ISO 3166-1.")
    tickers = serializers.ListField(
        child=TextField(), required=False, max_length=100, help_text="Tickers; the first is the one shown."
    )
    size_class = TextField(required=False, allow_null=True, help_text=_SIZE_CLASSES)


class ReclassifyCompanySerializer(CommandSerializer):
    """State industry, country or size class. What is left out stays; null says that there is none."""

    sic = TextField(required=False, allow_null=True, help_text="Industry code, four digits.")
    country = TextField(required=False, allow_null=True, help_text="Country, two letters as in ISO 3166-1.")
    size_class = TextField(required=False, allow_null=True, help_text=_SIZE_CLASSES)


class FormerNameSerializer(serializers.Serializer):
    """A name a company had."""

    name = TextField(help_text="Name as filed.")
    until = DayField(required=False, allow_null=True, help_text="The last day the company had it, where known.")


class RenameCompanySerializer(CommandSerializer):
    """State the name a company goes by now and, where known, all names it had before."""

    name = TextField(help_text="Name as filed.")
    former_names = FormerNameSerializer(
        many=True,
        required=False,
        allow_null=True,
        max_length=100,
        help_text="All names it had before. Left out, the name until now becomes one of them.",
    )


class ChangeTickersSerializer(CommandSerializer):
    """State all tickers a company trades under now."""

    tickers = serializers.ListField(child=TextField(), max_length=100, help_text="The first is the one shown.")


class MergeCompanySerializer(CommandSerializer):
    """State that a company goes on under this CIK and was another's before."""

    predecessor_cik = serializers.IntegerField(
        min_value=1, max_value=9_999_999_999, help_text="The CIK under which it filed before."
    )
    effective_on = DayField(help_text="The first day on which it goes on under this CIK.")


class RecordAcceptanceSerializer(CommandSerializer):
    """State when EDGAR accepted some of a company's filings, known here or not."""

    filings = AcceptanceSerializer(many=True, max_length=10_000, help_text="At most 10,000 filings.")


class ReportFilingSerializer(CommandSerializer):
    """State the content of one filing. Reporting it again with other content is a correction."""

    accession = TextField(help_text="Accession number, NNNNNNNNNN-NN-NNNNNN.")
    form = TextField(help_text="Form type, such as 10-K.")
    filed_on = DayField(help_text="Filing date.")
    accepted_at = InstantField(required=False, allow_null=True, help_text="When EDGAR accepted it, where known.")
    facts = FactsField(help_text="All facts of the filing, in any order.")
    mode = serializers.ChoiceField(
        choices=["replace", "merge"],
        required=False,
        error_messages={"invalid_choice": "is neither replace nor merge"},
        help_text="replace: these are all facts there are. merge: they are laid over those known before.",
    )


class WithdrawFilingSerializer(CommandSerializer):
    """Take a filing's facts out of the figures."""

    accession = TextField(help_text="Accession number of a filing reported here.")
    reason = TextField(help_text="Why, for those who ask later.")
    withdrawn_at = InstantField(required=False, allow_null=True, help_text="From when on; by default from now.")


class AcceptedSerializer(serializers.Serializer):
    """What a command came to."""

    event_ids = serializers.ListField(child=serializers.IntegerField(), help_text="Empty where nothing had to change.")
    stream = serializers.CharField(help_text="The stream the events stand in: one for each company.")
    version = serializers.IntegerField(help_text="The stream's version afterwards; send it as Expected-Version.")
    token = serializers.CharField(
        allow_null=True,
        help_text="Give it as min_position to read what follows it; GET /v1/commands/{token} tells its position.",
    )


@extend_schema_field(PROBLEM)
class ProblemField(serializers.JSONField):
    """Problem details (RFC 9457), as a request of its own would have been answered."""


class BatchLineSerializer(serializers.Serializer):
    """What one line of a batch came to: what was accepted, or the problem."""

    line = serializers.IntegerField(help_text="Line of an NDJSON body, or place in the array; the first is 1.")
    status = serializers.IntegerField(help_text="The status this command would have had alone.")
    event_ids = serializers.ListField(child=serializers.IntegerField(), required=False)
    stream = serializers.CharField(required=False)
    version = serializers.IntegerField(required=False)
    token = serializers.CharField(required=False, allow_null=True)
    problem = ProblemField(required=False)


class BatchSerializer(serializers.Serializer):
    """What a batch came to, line by line."""

    accepted = serializers.IntegerField()
    refused = serializers.IntegerField()
    data = BatchLineSerializer(many=True)


class CommandResultSerializer(serializers.Serializer):
    """Where a command or a batch stands: its answer, and its last event's position in the log once it has one."""

    id = serializers.CharField()
    state = serializers.ChoiceField(
        choices=["accepted", "sequenced"], help_text="sequenced: nothing of it waits for its position any more."
    )
    position = serializers.IntegerField(
        allow_null=True,
        help_text="Give it as min_position to read what follows it. Null until then, and where there is no event.",
    )
    response = serializers.JSONField(allow_null=True, help_text="What was answered to the idempotency key.")


SERIALIZERS: dict[type[Command], type[CommandSerializer]] = {
    RegisterCompany: RegisterCompanySerializer,
    ReclassifyCompany: ReclassifyCompanySerializer,
    RenameCompany: RenameCompanySerializer,
    ChangeTickers: ChangeTickersSerializer,
    MergeCompany: MergeCompanySerializer,
    RecordAcceptance: RecordAcceptanceSerializer,
    ReportFiling: ReportFilingSerializer,
    WithdrawFiling: WithdrawFilingSerializer,
}


class Requested(msgspec.Struct, frozen=True, kw_only=True):
    """A command as it was written, and where its facts stood in the request."""

    command: Command
    places: Sequence[Sequence[int]] = ()


def read_command(command_type: type[Command], body: Any) -> Requested:
    """
    This will make a command from a decoded request body.

    Raises:
        InvalidCommand: naming each field that is missing, unknown or of the wrong form.
    """
    serializer = SERIALIZERS[command_type](data=body)
    if not serializer.is_valid():
        raise InvalidCommand(list(_field_errors(serializer, serializer.errors)))
    values: dict[str, Any] = dict(serializer.validated_data)
    places: Sequence[Sequence[int]] = ()
    if isinstance(given := values.get("facts"), GivenFacts):
        values["facts"], places = given.facts, given.places
    if "filings" in values:
        values["filings"] = tuple((filing["accession"], filing["accepted_at"]) for filing in values["filings"])
    if values.get("former_names") is not None:
        values["former_names"] = tuple((former["name"], former.get("until")) for former in values["former_names"])
    if "tickers" in values:
        values["tickers"] = tuple(values["tickers"])
    return Requested(command=command_type(**values), places=places)


def as_requested(error: InvalidCommand, *, places: Sequence[Sequence[int]]) -> InvalidCommand:
    """This will return the error with its pointers into grouped facts turned into pointers into the request."""
    return InvalidCommand([_placed(field_error, places) for field_error in error.errors])


def _placed(error: FieldError, places: Sequence[Sequence[int]]) -> FieldError:
    if not (match := _FACT_PLACE.fullmatch(error.pointer)):
        return error
    group, index, field = match.groups()
    return msgspec.structs.replace(error, pointer=f"/facts/{places[int(group)][int(index)]}{field}")


def _field_errors(serializer: serializers.Serializer, detail: Any, pointer: str = "") -> Iterator[FieldError]:
    if isinstance(detail, Mapping):
        for key, part in detail.items():
            yield from _field_errors(serializer, part, pointer if key == "non_field_errors" else f"{pointer}/{key}")
    elif isinstance(detail, list) and any(isinstance(part, Mapping | list) for part in detail):
        for index, part in enumerate(detail):
            yield from _field_errors(serializer, part, f"{pointer}/{index}")
    else:
        field = serializer.fields.get(pointer.split("/")[1]) if pointer else None
        described = str(getattr(field, "help_text", None) or "a JSON object with the command's fields")
        for error in detail if isinstance(detail, list) else [detail]:
            code = getattr(error, "code", "invalid")
            yield FieldError(
                pointer=pointer,
                reason="is missing" if code == "required" else str(error),
                fix=_REPAIRS.get(code, f"send {described[0].lower()}{described[1:].rstrip('.')}"),
            )
