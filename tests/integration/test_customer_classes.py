"""Customer classes: which there are, and what becomes of one that no rules know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gridwright.app.platform import open_platform
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import InputError
from gridwright.domain.usage_point import UsagePoint
from gridwright.settings import VeeSettings
from gridwright.vee import packaged, rule_book
from tests.integration.api.small_town import Town, build, opened
from tests.integration.command_line import Run, commands

OWN = """version = "1"
classes = ["farm"]
[[group]]
name = "farms"
extends = "commercial"
customer_class = "farm"
"""


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    (tmp_path / "vee.toml").write_text(OWN, encoding="utf-8")
    (tmp_path / "own").mkdir()
    with opened(build(tmp_path), tmp_path / "own") as there:
        vee = VeeSettings(rules=tmp_path / "vee.toml")
        there.platform.settings = there.platform.settings.model_copy(update={"vee": vee})
        yield there


def test_the_classes_there_are_can_be_asked_for(town: Town) -> None:
    items = town.get("/v1/customer-classes").json()["items"]
    assert {each["name"] for each in items} == {"residential", "commercial", "industrial", "farm"}
    assert next(each["groups"] for each in items if each["name"] == "farm") == ["farms"]


@pytest.mark.parametrize("name", ["residential", "industrial", "farm"])
def test_a_known_class_is_taken(town: Town, name: str) -> None:
    assert town.post("/v1/usage-points", {"id": "UP-77", "customer_class": name}).status_code == 201


@pytest.mark.parametrize(("name", "helps"), [("farms", "did you mean farm?"), ("moon", "known: residential")])
def test_an_unknown_class_is_refused_by_name(town: Town, name: str, helps: str) -> None:
    answer = town.post("/v1/usage-points", {"id": "UP-77", "customer_class": name})
    assert answer.status_code == 422
    assert name in answer.text
    assert "customer_class" in answer.text
    assert helps in answer.text
    assert "at the top of the file of rules" in answer.text
    assert town.get("/v1/usage-points/UP-77").status_code == 404


def test_a_class_from_before_stays_until_it_is_changed(town: Town) -> None:
    town.platform.store.registry.save_points(ME, [UsagePoint("UP-77", customer_class="old")])
    path = "/v1/usage-points/UP-77"
    for body, status in (({"customer_class": "old", "exports": True}, 200), ({"customer_class": "odd"}, 422)):
        tag = {"If-Match": town.get(path).headers["etag"]}
        assert town.ask("PUT", path, json=body, headers=tag).status_code == status


def test_a_book_knows_its_classes_and_names_what_is_wrong() -> None:
    book = rule_book(OWN, "vee.toml")
    assert book.classes == (*packaged().classes, "farm")
    book.check_class("farm")
    with pytest.raises(InputError, match="'farn' is no customer class") as caught:
        book.check_class("farn", "line 3")
    assert (caught.value.where, caught.value.remedy.split(";")[0]) == ("line 3", "did you mean farm?")
    assert replace(book, classes=packaged().classes).digest == book.digest, "a class judges nothing by itself"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vee.toml").write_text(OWN, encoding="utf-8")
    rows = (f"2025-01-01T{hour:02d}:00Z,0.{hour + 10}" for hour in range(24))
    (tmp_path / "a.csv").write_text("\n".join(["start,kWh", *rows]), encoding="utf-8")

    return commands(monkeypatch, capsys)


def test_the_command_line_lists_classes_and_takes_those_alone(run: Run) -> None:
    assert json.loads(run("vee", "rules", "vee.toml", "--json")[1])["classes"][-1] == "farm"
    assert "customer classes: residential, commercial, industrial, farm" in run("vee", "rules", "vee.toml")[2]
    assert run("validate", "a.csv", "--class", "farm", "--rules", "vee.toml")[0] == 0
    code, _, err = run("validate", "a.csv", "--class", "farm")
    assert (code, "farm" in err, "residential" in err) == (2, True, True)


def test_a_class_in_the_settings_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "vee.toml").write_text(OWN, encoding="utf-8")
    for name, right in (("farm", True), ("frm", False)):
        text = f'[site]\ncustomer_class = "{name}"\n[vee]\nrules = "{tmp_path / "vee.toml"}"\n'
        (tmp_path / "gridwright.toml").write_text(text, encoding="utf-8")
        platform = open_platform(tmp_path / "gridwright.toml")
        if right:
            assert platform.site.customer_class == "farm"
            continue
        with pytest.raises(InputError, match="'frm' is no customer class") as caught:
            platform.site  # noqa: B018 - asked for
        assert caught.value.where == "site.customer_class in the settings"
