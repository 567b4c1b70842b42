"""What no linter checks: one statement a line, the field's words, and few values without a type."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
STAGES = ("runtime", "calibrate", "train", "quantize", "evaluate")
SOURCES = sorted(path for stage in STAGES for path in (ROOT / stage).rglob("*.py"))
# Names that fit everything say nothing.
EMPTY_NAMES = {"found", "heard", "told", "said", "known"}
MAX_ANY_LINES = 100  # lines of the product that mention Any, imports left out


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


def names_of(target: ast.AST) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            yield node.id


def place(path: Path, node: ast.stmt | ast.expr) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def test_an_assignment_has_one_value() -> None:
    """``a, b = x, y`` is two statements; unpacking one value is fine, and so is a swap."""
    parallel = [
        place(path, node)
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Tuple)
        and isinstance(node.value, ast.Tuple)
        and set(names_of(node.targets[0])).isdisjoint(names_of(node.value))
    ]
    assert parallel == []


def test_a_local_name_says_what_it_holds() -> None:
    empty = [
        f"{place(path, target)} {name}"
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.For | ast.NamedExpr)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        for name in names_of(target)
        if name in EMPTY_NAMES
    ]
    assert empty == []


def test_few_values_have_no_type() -> None:
    lines = [
        line
        for path in SOURCES
        for line in path.read_text().splitlines()
        if re.search(r"\bAny\b", line) and not re.match(r"\s*(from|import)\b|\s*Any,$", line)
    ]
    assert len(lines) < MAX_ANY_LINES
