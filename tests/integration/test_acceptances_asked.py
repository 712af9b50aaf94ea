"""Accepting what validation rejected, as people do it: on the command line, by HTTP, on the console."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from gridwright.api.app import make_app
from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Role
from gridwright.domain.identity import User
from gridwright.settings import load_settings
from gridwright.web.pages import add_pages
from gridwright.work import tasks
from tests.integration.api.small_town import Town, platform_at
from tests.integration.command_line import Run, commands
from tests.integration.test_acceptances import SPIKE_DAY, Home

NAME = "UP-77"
DAY = str(SPIKE_DAY.date())
BROWSER = {"Accept": "text/html"}
WHY = ("--reason", "a furnace was tried out")


@pytest.fixture
def town(town: Town) -> Town:
    Home(town.platform.store, (NAME,)).fill()
    return town


def home_of(town: Town) -> Home:
    return Home(town.platform.store, (NAME,))


def test_by_http_it_waits_for_a_second_person_and_then_counts(town: Town) -> None:
    fails = {"point": NAME, "severity": "fail", "reason": "a furnace was tried out"}
    seen = town.post("/v1/findings/resolve", fails | {"dry_run": True}, "operator").json()
    effect = {"usage_point": NAME, "intervals": 1, "days": [DAY], "added_kwh": 499.619, "moved_kwh": 499.619}
    assert seen == {"findings": 0, "waiting": 2, "effects": [effect]}
    assert town.get("/v1/findings?proposed=true").json()["items"] == []
    assert town.post("/v1/findings/resolve", fails, "operator").json() == seen
    waiting = town.get("/v1/findings?proposed=true").json()["items"]
    assert {(each["proposed_by"], each["proposal"]) for each in waiting} == {("operator", fails["reason"])}
    agreed = {"proposed": True, "reason": "seen the furnace"}
    assert town.post("/v1/findings/resolve", agreed, "operator").json()["findings"] == 0
    would = town.post("/v1/findings/resolve", agreed | {"dry_run": True}, "second").json()
    assert would == seen | {"findings": 2, "waiting": 0}
    assert town.post("/v1/findings/resolve", agreed, "second").json() == would
    tasks.correct(town.platform)
    assert home_of(town).final(NAME) == (500_000.0, "ACCEPTED")
    assert home_of(town).total(NAME) == (509_198.0, 0)
    ids = [each["id"] for each in waiting]
    back = {"ids": ids, "reason": "it was none"}
    alone = town.post("/v1/findings/reopen", back, "operator")
    assert (alone.status_code, "cannot take it back alone" in alone.text) == (HTTPStatus.CONFLICT, True)
    (undone,) = town.post("/v1/findings/reopen", back | {"dry_run": True}, "second").json()["effects"]
    assert (undone["intervals"], undone["added_kwh"]) == (1, -499.619)
    assert town.post("/v1/findings/reopen", back, "second").json()["findings"] == 2
    tasks.correct(town.platform)
    assert home_of(town).final(NAME) == (381.0, "ESTIMATED")


def test_who_may_only_look_accepts_nothing(town: Town) -> None:
    asked = {"point": NAME, "severity": "fail", "reason": "so", "dry_run": True}
    for who in ("viewer", "own", "device"):
        assert town.post("/v1/findings/resolve", asked, who).status_code == HTTPStatus.FORBIDDEN


@pytest.fixture
def console(built_town: Town, tmp_path: Path) -> Iterator[Town]:
    shutil.copy(built_town.platform.settings.store.url, tmp_path / "town.db")
    platform = platform_at(tmp_path)
    Home(platform.store, (NAME,)).fill()
    app = make_app(platform)
    add_pages(app, platform)
    yield Town(platform, built_town.keys, built_town.ids, app)
    platform.close()


def page_of(town: Town, cookie: dict[str, str], path: str) -> str:
    return town.get(path, "", headers=BROWSER | cookie).text


def signed_in(town: Town, who: str) -> dict[str, str]:
    answer = town.ask("POST", "/sign-in", "", headers=BROWSER, data={"key": town.keys[who]})
    return {"Cookie": answer.headers["set-cookie"].split(";")[0]}


def accept_all(town: Town, who: str, query: str) -> str:
    """Accept all that fits a filter, and return the page that follows."""
    cookie = signed_in(town, who)
    token = page_of(town, cookie, "/exceptions").split('name="csrf" value="')[1].split('"')[0]
    form = {"csrf": token, "filter": query, "all": "yes", "reason": "a furnace was tried out"}
    answer = town.ask("POST", "/exceptions/resolve", "", headers=BROWSER | cookie, data=form)
    assert answer.status_code == HTTPStatus.SEE_OTHER, answer.text
    return page_of(town, cookie, answer.headers["location"])


def test_on_the_console_two_people_do_it(console: Town) -> None:
    town = console
    shown = accept_all(town, "operator", f"?severity=fail&point={NAME}")
    assert "2 wait for a second person, for they let more than 10 kWh count." in shown
    assert "operator would accept it: a furnace was tried out" in shown
    assert '<a href="/exceptions?proposed=yes">Acceptances</a>: 2 wait for a second person' in shown
    twin = town.get("/exceptions.json?proposed=yes", "viewer").json()
    assert {each["proposed_by"] for each in twin["findings"]} == {"operator"}
    shown = accept_all(town, "second", "?proposed=yes")
    assert (
        "2 accepted, with your reason in the audit chain; 1 intervals count again as measured, +499.619 kWh." in shown
    )
    tasks.correct(town.platform)
    assert home_of(town).final(NAME) == (500_000.0, "ACCEPTED")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    platform = Platform(load_settings(None).settings)
    Home(platform.store, (NAME,)).fill()
    platform.store.identities.save_user(ME, User("bob", Role.OPERATOR))
    (tmp_path / "bob.key").write_text(platform.store.identities.create_key(ME, "bob")[1], encoding="utf-8")
    platform.close()
    return commands(monkeypatch, capsys)


def told(run: Run, *words: object) -> Any:  # noqa: ANN401 - JSON
    code, out, err = run(*words, "--json")
    assert code == 0, err
    return json.loads(out)


def value(run: Run) -> tuple[float, str]:
    """Return the final value of the spike, and its quality."""
    del run
    platform = Platform(load_settings(None).settings)
    found = Home(platform.store, (NAME,)).final(NAME)
    platform.close()
    return found


def test_on_the_command_line_it_waits_for_a_key_and_then_counts(run: Run, tmp_path: Path) -> None:
    which = ("--usage-point", NAME, "--severity", "fail")
    _, _, said = run("finding", "resolve", *which, *WHY, "--dry-run")
    assert f"{NAME}: 1 intervals count again as measured, +499.619 kWh ({DAY})." in said
    code, _, said = run("finding", "resolve", *which, *WHY)
    assert (code, "0 of 2 findings accepted." in said) == (0, True)
    assert "2 let more count than the 10 kWh (edits.alone_kwh) that one person may" in said
    assert "proposed by local" in run("finding", "list", "--proposed")[1]
    key = (tmp_path / "bob.key").read_text(encoding="utf-8")
    done = told(run, "finding", "resolve", "--proposed", "--key", key, "--reason", "seen the furnace")
    assert (done["chosen"], done["findings"], done["waiting"]) == (2, 2, 0)
    assert done["effects"] == [
        {"usage_point": NAME, "intervals": 1, "days": [DAY], "added_kwh": 499.619, "moved_kwh": 499.619}
    ]
    assert run("bill", "correct")[0] == 0
    assert value(run) == (500_000.0, "ACCEPTED")
    shown = told(run, "finding", "show", 1)
    assert (shown["proposed_by"], shown["resolved_by"], shown["resolution"]) == ("local", "bob", "seen the furnace")
    code, _, said = run("finding", "reopen", 1, 2, "--reason", "it was none")
    assert (code, "ask somebody else to reopen it" in said) == (1, True)
    _, _, said = run("finding", "reopen", 1, 2, "--reason", "it was none", "--key", key)
    assert f"{NAME}: 1 intervals no longer count as measured, -499.619 kWh ({DAY})." in said
    assert run("bill", "correct")[0] == 0
    assert value(run) == (381.0, "ESTIMATED")


def test_nothing_that_fits_is_told(run: Run) -> None:
    code, _, said = run("finding", "resolve", "--code", "V37_balance", *WHY)
    assert (code, "No finding fits: nothing was decided." in said) == (0, True)
    assert told(run, "finding", "resolve", "--code", "V37_balance", *WHY) == {
        "chosen": 0,
        "findings": 0,
        "waiting": 0,
        "dry_run": False,
        "effects": [],
    }
