"""The pages about HTTP: the endpoint table is the application's own, and every command of the guide works."""

from __future__ import annotations

import re
import shlex
from http import HTTPStatus
from pathlib import Path
from typing import Any

from gridwright.api.app import make_app
from gridwright.api.openapi import described
from gridwright.app import Platform
from gridwright.settings import Settings, StoreSettings
from tests.integration.api.small_town import Town

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE, GUIDE = DOCS / "reference" / "http.md", DOCS / "howto" / "use_the_api.md"
MARK = "<!-- endpoints: written by python -m tests.integration.api.test_http_reference -->"
HIDDEN = {"limit", "cursor", "Idempotency-Key", "If-Match", "If-None-Match"}


def endpoints() -> str:
    """Return the endpoints as tables, a noun each."""
    document = described(make_app(Platform(Settings(store=StoreSettings(url="sqlite://")))))
    sections: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            sections.setdefault(operation["tags"][0], []).append(row(method, path, operation))
    parts = []
    for tag, rows in sections.items():
        parts += [f"### {tag}", "", "| request | does | query |", "|---|---|---|", *rows, ""]
    return "\n".join(parts)


def row(method: str, path: str, operation: dict[str, Any]) -> str:
    """Return one endpoint as a row."""
    query = [each for each in operation.get("parameters", []) if each["in"] == "query" and each["name"] not in HIDDEN]
    names = ", ".join(f"`{each['name']}`{'' if each.get('required') else '?'}" for each in query)
    paged = any(each["name"] == "cursor" for each in operation.get("parameters", []))
    told = operation["description"].replace("\n", " ").split(". ")[0].rstrip(".")
    return f"| `{method.upper()} {path}` | {told} | {names}{' (pages)' if paged else ''} |"


def test_the_endpoints_of_the_reference_are_current() -> None:
    head, _, table = PAGE.read_text().partition(MARK)
    assert head
    assert table.strip() == endpoints().strip(), "run: python -m tests.integration.api.test_http_reference"


def test_every_command_of_the_guide_works(town: Town) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) > 10
    for line in lines:
        answer = curl(town, line)
        assert answer.status_code < HTTPStatus.BAD_REQUEST, f"{line}\n{answer.text}"


def curl(town: Town, line: str) -> Any:  # noqa: ANN401 - an httpx answer
    """Do what a curl command does."""
    words = shlex.split(line)[1:]
    headers: dict[str, str] = {}
    method, body, url = "GET", None, ""
    while words:
        word = words.pop(0)
        if word == "-H":
            name, value = words.pop(0).split(": ", 1)
            headers[name] = value.replace("$KEY", town.keys["admin"])
        elif word == "--json":
            body, method = words.pop(0), "PUT" if "-X PUT" in line else "POST"
            headers["Content-Type"] = "application/json"
        elif word.startswith("$URL"):
            url = word.removeprefix("$URL")
    return town.ask(method, url, "", headers=headers, content=body)


if __name__ == "__main__":
    PAGE.write_text(f"{PAGE.read_text().partition(MARK)[0]}{MARK}\n\n{endpoints()}")
