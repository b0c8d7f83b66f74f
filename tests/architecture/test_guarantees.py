"""What `docs/guarantees.md` says is tested is tested."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")


def names_in(file: Path) -> set[str]:
    """The tests of a file, as pytest names them behind the file, and their classes."""
    names = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{inner.name}" for inner in node.body if hasattr(inner, "name")}
    return names


class TestGuarantees:
    def test_name_only_tests_that_exist(self) -> None:
        named = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", PAGE)

        missing = [
            f"{file}::{test}" for file, test in named if not (ROOT / file).exists() or test not in names_in(ROOT / file)
        ]

        assert missing == []

    def test_are_all_there_each_with_a_test(self) -> None:
        rows = dict(re.findall(r"^\| (I?\d+) \|.*\| ([^|]*) \|$", PAGE, re.MULTILINE))

        assert set(rows) == {str(number) for number in range(1, 9)} | {f"I{number}" for number in range(1, 20)}
        assert [name for name, tests in rows.items() if "`tests/" not in tests] == []
