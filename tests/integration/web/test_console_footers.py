"""What pages tell people to type is there: every command, with its options, and every address of the API."""

from __future__ import annotations

import html
import re
from functools import cache
from importlib.resources import files

import pytest
import typer

from gridwright.api.openapi import described
from gridwright.cli.main import app as command_line
from tests.integration.api.small_town import Town
from tests.integration.api.test_authorisation import filled
from tests.integration.web.test_console_roles import TABLE

CODE = re.compile(r"<code>(.*?)</code>", re.DOTALL)
PLACES = re.compile(r"\{\{.*?\}\}")
LINK = re.compile(r"(?:(GET|PUT|POST) |')?(?:http://town)?(/v1/[^\s'?]+)(?:\?([^\s']*))?")
PAGES = [row["ask"].split(" ")[1] for row in TABLE if row["ask"].startswith("GET /") and ".pdf" not in row["ask"]]


@cache
def all_commands() -> typer._click.core.Command:
    """Return the tree of commands; Typer reads the signature of each to make it."""
    return typer.main.get_command(command_line)


def unknown_command(line: str) -> str:
    """Return what is wrong with a line of the command line; nothing when it can be typed."""
    words = line.split()[1:]
    command = all_commands()
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    if getattr(command, "commands", None):
        return f"{line}: {command.name} needs a command"
    options = {name for parameter in command.params for name in parameter.opts}
    strange = [word for word in words if word.startswith("--") and word not in options]
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    bare = [
        word
        for at, word in enumerate(words)
        if not word.startswith("--") and not (at and words[at - 1] in takes_a_value(command))
    ]
    if strange or len(bare) > len(arguments) or len(bare) < sum(each.required for each in arguments):
        return f"{line}: does not fit"
    return ""


def takes_a_value(command: typer._click.core.Command) -> set[str]:
    """Return the options that are followed by a value."""
    return {name for each in command.params for name in each.opts if not getattr(each, "is_flag", False)}


def unknown_address(text: str, paths: dict[str, dict[str, object]]) -> str:
    """Return the address of the API that does not exist; nothing when it does."""
    found = LINK.search(text)
    if found is None:
        return ""
    method = (found[1] or "GET").lower()
    for path, operations in paths.items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), found[2]) and method in operations:
            known = {each["name"] for each in operations[method].get("parameters", ()) if each["in"] == "query"}  # type: ignore[attr-defined]
            asked = {part.split("=")[0] for part in (found[3] or "").split("&") if part}
            return "" if asked <= known else f"{text}: {asked - known}"
    return text


@pytest.mark.parametrize("page", PAGES)
def test_the_foot_of_a_page_can_be_typed(shown_console: Town, page: str) -> None:
    answer = shown_console.get(filled(page, shown_console.ids), headers={"Accept": "text/html"})
    paths = described(shown_console.app)["paths"]
    for code in map(html.unescape, CODE.findall(answer.text)):
        assert unknown_address(code, paths) == ""
        if code.startswith("gridwright"):
            assert unknown_command(code) == ""


def test_the_address_in_a_foot_answers(shown_console: Town) -> None:
    for page in PAGES:
        answer = shown_console.get(filled(page, shown_console.ids), headers={"Accept": "text/html"})
        for address in re.findall(r"'http://town(/v1/.*?)'", html.unescape(answer.text)):
            assert shown_console.get(address).status_code == 200, address


def test_templates_name_only_what_exists(shown_console: Town) -> None:
    paths = described(shown_console.app)["paths"]
    for template in (files("gridwright.web") / "templates").iterdir():
        for code in CODE.findall(template.read_text(encoding="utf-8")):
            line = html.unescape(PLACES.sub("X", code))
            assert unknown_address(line, paths) == "", template.name
            if line.startswith("gridwright"):
                assert unknown_command(line) == "", template.name
