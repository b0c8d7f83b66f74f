"""What `docs/guarantees.md` says is tested is tested, by the command it says."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`(?: \(((?:partly )?slow)\))?", PAGE)
MARKS = {frozenset({True}): "slow", frozenset({True, False}): "partly slow", frozenset({False}): ""}
"""How the page marks tests by which of them are slow."""

Node = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def marks_in(file: Path) -> dict[str, str]:
    """The tests of a file and their classes, as pytest names them behind the file, each with its mark."""
    module = ast.parse(file.read_text(encoding="utf-8"))
    slow = any(ast.unparse(node).startswith("pytestmark = ") and says_slow(node) for node in module.body)
    found: dict[str, str] = {}
    for node in cases_of(module):
        found[node.name] = MARKS[slowness(node, slow=slow)]
        for test in cases_of(node) if isinstance(node, ast.ClassDef) else ():
            found[f"{node.name}::{test.name}"] = MARKS[slowness(test, slow=slow or is_slow(node))]
    return found


def cases_of(parent: ast.Module | ast.ClassDef) -> list[Node]:
    return [node for node in parent.body if isinstance(node, Node) and node.name.lower().startswith("test")]


def slowness(node: Node, *, slow: bool) -> frozenset[bool]:
    """Whether the tests of a node are slow: some may be, by their parameters, and others not."""
    if slow or is_slow(node):
        return frozenset({True})
    if isinstance(node, ast.ClassDef):
        return frozenset[bool]().union(*(slowness(test, slow=False) for test in cases_of(node)))
    return frozenset({False, any(says_slow(decorator) for decorator in node.decorator_list)})


def is_slow(node: Node) -> bool:
    return any(ast.unparse(decorator) == "pytest.mark.slow" for decorator in node.decorator_list)


def says_slow(node: ast.AST) -> bool:
    return "pytest.mark.slow" in ast.unparse(node)


class TestGuarantees:
    def test_name_only_tests_that_exist_and_mark_those_that_are_slow(self) -> None:
        marks = {file: marks_in(ROOT / file) for file in {file for file, _, _ in NAMED}}

        wrong = {
            f"{file}::{test}": marks[file].get(test, "missing")
            for file, test, mark in NAMED
            if marks[file].get(test) != mark
        }

        assert wrong == {}

    def test_are_all_there_each_with_a_test(self) -> None:
        rows = dict(re.findall(r"^\| (I?\d+) \|.*\| ([^|]*) \|$", PAGE, re.MULTILINE))

        assert set(rows) == {str(number) for number in range(1, 9)} | {f"I{number}" for number in range(1, 21)}
        assert [name for name, tests in rows.items() if "`tests/" not in tests] == []
