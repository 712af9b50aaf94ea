"""The length budgets of STYLE.md, which do not count docstrings; `make budgets` prints the figures."""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "gridwright"
FUNCTION_LINES, FILE_LINES, POSITIONAL = 60, 600, 5
MEDIAN_FUNCTION, MEDIAN_FILE = 10, 150
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
VAGUE = {"util", "utils", "helper", "helpers", "misc", "common"}

type_of_function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Length:
    """How long a function or file is, docstrings apart, and where it stands."""

    place: str
    lines: int


Lengths = Callable[[], list[Length]]


def docstring_lines(node: ast.AST) -> int:
    """Count the lines of a node's own docstring."""
    body = getattr(node, "body", [])
    first = body[0] if isinstance(body, list) and body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return (first.end_lineno or first.lineno) - first.lineno + 1
    return 0


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Walk through a node and the statements inside it: no expression holds a function or a docstring."""
    left = [node]
    while left:
        each = left.pop()
        yield each
        for block in BLOCKS:
            left.extend(getattr(each, block, ()))


def all_docstring_lines(node: ast.AST) -> int:
    """Count the lines of the docstrings of a node and of everything inside it."""
    return sum(map(docstring_lines, statements(node)))


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """List every function and method, nested ones too."""
    return [node for node in statements(tree) if isinstance(node, type_of_function)]


def function_lengths(path: Path, tree: ast.Module) -> list[Length]:
    """Measure each function from its `def` to its last line."""
    return [
        Length(
            f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}",
            (node.end_lineno or node.lineno) - node.lineno + 1 - all_docstring_lines(node),
        )
        for node in functions(tree)
    ]


def file_length(path: Path, tree: ast.Module) -> Length:
    """Measure a file as its lines without docstrings."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    return Length(str(path.relative_to(SOURCE)), lines - all_docstring_lines(tree))


def positional(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count what a caller may pass by position; `self` and `cls` are not passed."""
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


# Parsed when a test asks: every process of the suite imports this file to collect it.
@cache
def trees() -> dict[Path, ast.Module]:
    """Parse the whole package."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))}


@cache
def every_function() -> list[Length]:
    """Measure every function of the package."""
    return [length for path, tree in trees().items() for length in function_lengths(path, tree)]


@cache
def every_file() -> list[Length]:
    """Measure every file of the package."""
    return [file_length(path, tree) for path, tree in trees().items()]


@pytest.mark.parametrize(("lengths", "limit"), [(every_function, FUNCTION_LINES), (every_file, FILE_LINES)])
def test_nothing_is_too_long(lengths: Lengths, limit: int) -> None:
    assert [length for length in lengths() if length.lines > limit] == []


@pytest.mark.parametrize(("lengths", "limit"), [(every_function, MEDIAN_FUNCTION), (every_file, MEDIAN_FILE)])
def test_most_is_short(lengths: Lengths, limit: int) -> None:
    assert statistics.median(length.lines for length in lengths()) <= limit


def test_few_positional_parameters() -> None:
    crowded = [
        f"{path.relative_to(SOURCE)}:{node.lineno} {node.name} takes {positional(node)}"
        for path, tree in trees().items()
        for node in functions(tree)
        if positional(node) > POSITIONAL
    ]
    assert crowded == []


def test_no_module_is_named_after_nothing() -> None:
    vague = [path for path in trees() if VAGUE & set(path.with_suffix("").relative_to(SOURCE).parts)]
    assert vague == []


def test_docstrings_do_not_count() -> None:
    tree = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n')
    path = SOURCE / "x.py"
    assert function_lengths(path, tree) == [Length("x.py:1 f", 2)]


def figures(what: str, lengths: list[Length], limit: int, median: int) -> str:
    """Describe one budget's figures in a line."""
    lines = sorted(length.lines for length in lengths)
    longest = max(lengths, key=lambda length: length.lines)
    return (
        f"{len(lines)} {what}: median {statistics.median(lines):g} (budget {median}), "
        f"p90 {lines[int(0.9 * (len(lines) - 1))]}, longest {longest.lines} (budget {limit}): {longest.place}"
    )


if __name__ == "__main__":
    sys.stdout.write(figures("functions", every_function(), FUNCTION_LINES, MEDIAN_FUNCTION) + "\n")
    sys.stdout.write(figures("files", every_file(), FILE_LINES, MEDIAN_FILE) + "\n")
