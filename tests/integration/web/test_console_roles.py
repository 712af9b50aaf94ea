"""The table of pages and roles, tested, and shown in the guide to the console."""

from __future__ import annotations

import re
import tomllib
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from gridwright.web.pages import PAGES
from gridwright.web.who import form_token
from tests.integration.api.small_town import Town
from tests.integration.api.test_authorisation import COLUMNS, HEADINGS, filled
from tests.integration.web.conftest import console_of

HERE = Path(__file__).parent
TABLE: list[dict[str, Any]] = tomllib.loads((HERE / "page_roles.toml").read_text())["page"]
GUIDE = HERE.parents[2] / "docs" / "howto" / "use_the_console.md"
BEGIN, END = "<!-- pages and roles -->\n", "<!-- end of pages and roles -->\n"
LET_IN = {HTTPStatus.OK, HTTPStatus.SEE_OTHER}
REFUSED = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
BARE = ("/chart.json", ".pdf", "/ask", "/", "/edits/new")
OPEN_TO_ALL = {"GET /sign-in", "POST /sign-in"}


def ask(town: Town, row: dict[str, Any], who: str, ending: str = "") -> int:
    """Return the status of a row's request."""
    method, path = filled(row["ask"], town.ids).split(" ", 1)
    if method == "GET":
        bare, mark, query = path.partition("?")
        return town.get(f"{bare}{ending}{mark}{query}", who, headers={"Accept": "text/html"}).status_code
    form = {**filled(row.get("form", {}), town.ids), "csrf": form_token(town.keys[who])}
    form = {name: str(value) for name, value in form.items()}
    return town.ask(method, path, who, data=form, headers={"Accept": "text/html"}).status_code


def endings(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the endings under which a page is to be had."""
    asked = row["ask"].split("?")[0]
    return ("",) if asked.startswith("POST") or asked.endswith(BARE) else ("", ".json", ".csv")


def audited(town: Town) -> int:
    """Return how many changes the audit chain has."""
    return int(town.platform.store.audit.records(town.platform.access, limit=1)[0].number)


@pytest.mark.parametrize("row", [row for row in TABLE if row["ask"].startswith("GET")], ids=lambda row: row["ask"])
def test_pages(shown_console: Town, row: dict[str, Any]) -> None:
    for ending in endings(row):
        wrong = {
            who: status
            for who in COLUMNS
            if (status := ask(shown_console, row, who, ending))
            not in (LET_IN if who in row["may"].split() else REFUSED)
        }
        assert wrong == {}, ending


@pytest.mark.parametrize("row", [row for row in TABLE if row["ask"].startswith("POST")], ids=lambda row: row["ask"])
def test_forms(built_town: Town, tmp_path: Path, row: dict[str, Any]) -> None:
    may = row["may"].split()
    (tmp_path / "refused").mkdir()
    with console_of(built_town, tmp_path / "refused") as town:
        before = audited(town)
        assert {ask(town, row, who) for who in COLUMNS if who not in may} <= REFUSED
        assert audited(town) == before, "a form that was refused has changed something"
    for who in may:
        (tmp_path / who).mkdir()
        with console_of(built_town, tmp_path / who) as town:
            assert ask(town, row, who) in LET_IN, who


def test_every_address_is_in_the_table() -> None:
    router = APIRouter()
    for each in PAGES:
        each.add(router)
    there = {id_of(route) for route in router.routes if isinstance(route, APIRoute)} - OPEN_TO_ALL
    asked = {generic(row["ask"]) + ending for row in TABLE for ending in endings(row)}
    assert there == asked, "page_roles.toml has other addresses than the console"


def id_of(route: APIRoute) -> str:
    """Return method and path of a route."""
    return f"{min(route.methods or {'GET'})} {route.path}"


def generic(asked: str) -> str:
    """Return a request as its route is written."""
    return re.sub(r"(UP-1|\{\w+\})", "{name}", asked.split("?", maxsplit=1)[0])


def test_the_guide_has_the_table() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert text[text.index(BEGIN) + len(BEGIN) : text.index(END)] == table(), (
        "run: python -m tests.integration.web.test_console_roles"
    )


def table() -> str:
    """Return the table as the guide shows it."""
    names = [HEADINGS.get(name, name) for name in COLUMNS]
    lines = [f"\n| page or form | {' | '.join(names)} |", f"|---|{':-:|' * len(names)}"]
    for row in TABLE:
        may = row["may"].split()
        cells = ["✓" if name in may else "" for name in COLUMNS]
        lines.append(f"| `{re.sub(r'{name}', '{id}', generic(row['ask']))}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    old = GUIDE.read_text(encoding="utf-8")
    GUIDE.write_text(old[: old.index(BEGIN) + len(BEGIN)] + table() + old[old.index(END) :], encoding="utf-8")
