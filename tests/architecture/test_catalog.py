"""Every command and event that stands in a folder is listed, published and documented."""

import inspect
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

import msgspec

import commands.companies
import commands.filings
from commands.catalog import COMMANDS, EVENTS
from commands.messages import Command
from commands.rest.examples import REQUESTS
from commands.rest.serializers import SERIALIZERS

SUBJECTS = (commands.companies, commands.filings)


def structs_in(subject: ModuleType, *, module_names: set[str] | None = None) -> set[type]:
    """The structs that modules of a subject's folder define."""
    modules = [
        import_module(f"{subject.__name__}.{found.name}")
        for found in iter_modules(subject.__path__)
        if module_names is None or found.name in module_names
    ]
    return {
        member
        for module in modules
        for _, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__ and issubclass(member, msgspec.Struct)
    }


class TestCatalog:
    def test_lists_every_command(self) -> None:
        defined = {struct for subject in SUBJECTS for struct in structs_in(subject) if issubclass(struct, Command)}

        assert {definition.type for definition in COMMANDS.values()} == defined

    def test_lists_every_event(self) -> None:
        defined = {struct for subject in SUBJECTS for struct in structs_in(subject, module_names={"events"})}

        assert set(EVENTS.values()) == defined

    def test_every_command_can_be_sent_and_is_shown_by_an_example(self) -> None:
        assert set(SERIALIZERS) == {definition.type for definition in COMMANDS.values()}
        assert set(REQUESTS) == set(COMMANDS)

    def test_a_command_is_requested_with_the_fields_it_has(self) -> None:
        set_by_us = {"source"}

        for command, serializer in SERIALIZERS.items():
            assert set(serializer().fields) == set(command.__struct_fields__) - set_by_us

    def test_every_command_event_and_field_is_described(self) -> None:
        described = [definition.type for definition in COMMANDS.values()] + list(EVENTS.values())

        assert [struct.__name__ for struct in described if not struct.__doc__] == []
        assert [
            f"{serializer.__name__}.{name}"
            for serializer in SERIALIZERS.values()
            for name, field in serializer().fields.items()
            if not field.help_text
        ] == []
