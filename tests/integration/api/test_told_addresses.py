"""What messages tell somebody to do can be done: addresses exist, and a conflict says what helps."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import gridwright
from gridwright.api.app import make_app
from gridwright.api.asgi import HotPaths
from gridwright.api.door import DOCUMENT, PREFIX
from gridwright.api.edge.batches import PATH
from gridwright.api.openapi import described
from gridwright.api.write.writer import Writer
from gridwright.app import Platform
from gridwright.settings import Settings, StoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(gridwright.__file__).parent
# A method and a path, or a path of `/v1` without one; `{}` stands for what the message fills in.
ADDRESS = re.compile(r"(?:\b(?:GET|HEAD|POST|PUT|PATCH|DELETE) (/[\w{}…./-]+)|(/v1/[\w{}…./-]+))")
OPEN = re.compile(r"\{\w*\}|…")
MAY_TELL = re.compile(r"/v1|\b(?:GET|HEAD|POST|PUT|PATCH|DELETE)\b")  # to parse all files takes seconds


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts of a file that are no docstring, with their line; what is filled in is `{}`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            inside.update(map(id, ast.walk(node.value)) if isinstance(node.value, ast.Constant) else ())
        if isinstance(node, ast.JoinedStr):
            inside.update(id(part) for part in node.values)
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def files_with(words: re.Pattern[str]) -> Iterator[Path]:
    """Yield the source files in which words are found, in whatever they are written."""
    return (path for path in SOURCE.rglob("*.py") if words.search(path.read_text(encoding="utf-8")))


def told() -> dict[str, str]:
    """Return the addresses that texts tell, each with a place that tells it."""
    found: dict[str, str] = {}
    for path in files_with(MAY_TELL):
        for line, text in texts(path):
            for with_method, without in ADDRESS.findall(text):
                address = (with_method or without).rstrip(".-")
                found.setdefault(address, f"{path.relative_to(SOURCE)}:{line}")
    return found


@pytest.fixture(scope="module")
def routes() -> list[list[str]]:
    """Return every path that is answered, in segments."""
    platform = Platform(Settings(store=StoreSettings(url="sqlite://")))
    app = make_app(platform)
    hot = HotPaths(app, platform, Writer(platform.store, platform.clock))
    paths = [path for _, path in hot._handlers]
    paths += [DOCUMENT, f"{PREFIX}{DOCUMENT}", *described(app)["paths"]]
    return [path.split("/") for path in (*paths, PATH.pattern.replace("([^/]{1,1500})", "{name}"))]


def is_route(address: str, route: list[str]) -> bool:
    """Tell whether an address may be one of a route; what stands open fits what is open there."""
    parts = address.rstrip("/").split("/")
    return len(parts) == len(route) and all(
        OPEN.search(there) or here == there for here, there in zip(parts, route, strict=True)
    )


def test_every_address_that_is_told_exists(routes: list[list[str]]) -> None:
    addresses = told()
    assert {"/v1/status", "/v1/plans", "/v1/usage-points/…/interval-blocks"} <= set(addresses)
    gone = {address: place for address, place in addresses.items() if not any(is_route(address, one) for one in routes)}
    assert gone == {}


def test_every_conflict_says_what_helps() -> None:
    silent = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in files_with(re.compile(r"\bConflict\("))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Conflict"
        and "remedy" not in {keyword.arg for keyword in node.keywords}
    ]
    assert silent == []
