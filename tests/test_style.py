"""What no linter checks: one statement a line, the field's words, and few values without a type."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
STAGES = ("runtime", "calibrate", "train", "quantize", "evaluate")
SOURCES = sorted(path for stage in STAGES for path in (ROOT / stage).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]+")
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


def patched_name(call: ast.Call) -> str | None:
    """The last part of the name that a call of ``monkeypatch.setattr`` replaces; None if none."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "setattr":
        return None
    # setattr("module.NAME", value), or setattr(module, "NAME", value)
    name = call.args[0] if len(call.args) == 2 else call.args[1]
    if not isinstance(name, ast.Constant):
        return None
    return str(name.value).rpartition(".")[2]


def test_no_test_patches_a_constant() -> None:
    """Limits are passed in: a constant that a test patches is none."""
    patches = [
        place(path, node)
        for path in TESTS
        for node in nodes(path)
        if isinstance(node, ast.Call)
        and CONSTANT.fullmatch(patched_name(node) or "")
        and patched_name(node) != "CDLL"  # a function of ctypes
    ]
    assert patches == []


def test_each_module_has_its_tests() -> None:
    """The tests of ``runtime/a/b.py`` are ``tests/runtime/a/test_b.py``."""
    missing = [
        str(source)
        for source in (path.relative_to(ROOT) for path in SOURCES)
        if not source.name.startswith("__")
        and not (ROOT / "tests" / source.with_name(f"test_{source.name}")).is_file()
    ]
    assert missing == []
