"""What import-linter cannot say: what the innermost packages may use, and that pure code asks no clock."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "gridwright"
PURE = (
    "domain",
    "protocols",
    "formats",
    "ingest",
    "vee",
    "analytics",
    "grid",
    "forecast",
    "billing",
    "dispatch",
    "demand_response",
    "documents",
)
CLOCKS = {"now", "today", "utcnow", "time_ns", "monotonic", "perf_counter"}
OWN = {"domain": {"numpy", "gridwright.domain"}, "protocols": {"gridwright.protocols"}}


def imports(tree: ast.Module) -> set[str]:
    """List the modules a file imports by absolute name, wherever the import stands."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def allowed(module: str, own: set[str]) -> bool:
    """Whether a module belongs to the standard library or to what the package may use besides."""
    return module.partition(".")[0] in sys.stdlib_module_names or any(
        module == name or module.startswith(f"{name}.") for name in own
    )


def files(package: str) -> list[Path]:
    """List the files of a package or of the one module of that name."""
    single = SOURCE / f"{package}.py"
    return [single] if single.exists() else sorted((SOURCE / package).rglob("*.py"))


@pytest.mark.parametrize("package", sorted(OWN))
def test_the_innermost_packages_stand_alone(package: str) -> None:
    foreign = {
        f"{path.relative_to(SOURCE)} imports {module}"
        for path in files(package)
        for module in imports(ast.parse(path.read_text(encoding="utf-8")))
        if not allowed(module, OWN[package])
    }
    assert foreign == set()


@pytest.mark.parametrize("package", PURE)
def test_pure_code_asks_no_clock(package: str) -> None:
    asked = [
        f"{path.relative_to(SOURCE)}:{node.lineno} calls {node.func.attr}()"
        for path in files(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
    ]
    assert asked == []


def test_a_foreign_import_would_be_seen() -> None:
    tree = ast.parse("import os\nfrom pyarrow import csv\ndef f():\n    import gridwright.vee\n")
    assert {module for module in imports(tree) if not allowed(module, OWN["domain"])} == {"pyarrow", "gridwright.vee"}
