"""What the import contracts and the error table cover is everything there is."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

from config.problem_details import STATUS_BY_CODE

ROOT = Path(__file__).parent.parent.parent
NOT_OF_THE_HOUSE = {"tests", "benchmarks"}


def packages() -> set[str]:
    return {init.parent.name for init in ROOT.glob("*/__init__.py")} - NOT_OF_THE_HOUSE


def sources() -> Iterator[Path]:
    for package in sorted(packages()):
        yield from (path for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts)


class TestImportContracts:
    def test_cover_every_package_and_place_each_on_a_floor(self) -> None:
        linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]

        floors = {
            name.strip()
            for contract in linter["contracts"]
            for layer in contract.get("layers", ())
            for name in layer.split("|")
        }

        assert set(linter["root_packages"]) == packages() == floors

    def test_are_checked_by_types_in_every_package(self) -> None:
        checked = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]

        assert packages() <= set(checked)


class TestErrorTable:
    def test_has_a_status_for_every_code_that_is_raised(self) -> None:
        raised = {
            keyword.value.value: path.relative_to(ROOT)
            for path in sources()
            for node in ast.walk(ast.parse(path.read_text()))
            # REST framework's own errors have codes of their own, one for each field.
            if isinstance(node, ast.Call) and not ast.unparse(node.func).endswith(("ValidationError", "ErrorDetail"))
            for keyword in node.keywords
            if keyword.arg == "code"
            and isinstance(keyword.value, ast.Constant)
            and isinstance(keyword.value.value, str)
        }

        unlisted = {code: str(path) for code, path in raised.items() if code not in STATUS_BY_CODE}
        assert raised
        assert unlisted == {}


class TestPackages:
    def test_re_export_nothing(self) -> None:
        speaking = [path for path in sources() if path.name == "__init__.py" and path.read_text().strip()]

        assert speaking == []
