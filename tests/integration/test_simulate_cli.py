"""`gridwright simulate` against a real server: told, told on, asked again, and told what went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner, Result

from gridwright.cli import simulate
from gridwright.domain.errors import GridwrightError, InputError, UsageError
from gridwright.domain.interval import Interval
from gridwright.simulate.delivery import load_story
from tests.integration.server_process import Server, serving

QUARTER = timedelta(minutes=15)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("town") / "data", "--no-worker") as running:
        yield running


def run(*words: str) -> Result:
    tree = typer.Typer()
    simulate.register(tree)
    return CliRunner().invoke(tree, list(words))


def told(server: Server, state: Path, *words: str) -> dict[str, Any]:
    where = ("--url", server.url, "--key", server.admin_key, "--state", str(state))
    done = run(*where, "--homes", "6", "--days", "20", "--once", "--json", *words)
    assert done.exit_code == 0, (done.output, done.exception)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_town_is_told_with_its_truth_beside_and_told_on_without_repeating(server: Server, tmp_path: Path) -> None:
    state, truth = tmp_path / "state.json", tmp_path / "truth.json"
    first = told(server, state, "--truth", str(truth))
    assert first["accepted"] > 20 * 96 * 6
    assert (first["rejected"], first["quarantined"]) == (0, 0)
    again = told(server, state)
    assert again["accepted"] < first["accepted"] / 10
    assert (again["rejected"], again["quarantined"]) == (0, 0)
    document = json.loads(truth.read_text())
    known = {point["id"] for point in document["usage_points"]}
    masters = {f"MM-{node['id']}" for node in document["nodes"]}
    with server.client() as client:
        listed = client.get("/v1/usage-points", params={"limit": 100}).json()["items"]
        assert {point["id"] for point in listed} == known | masters
        assert {fault["kind"] for fault in document["faults"]} >= {"gap-day", "late", "exchange", "reset"}
        assert_values(client, state)


def assert_values(client: httpx.Client, state: Path) -> None:
    """Compare what the server keeps with the truth, interval by interval, where no fault lies."""
    story = load_story(state)
    assert story is not None
    town = simulate.built(story)
    past = Interval(story.since, story.done)
    sound = {point.id for point in town.town.points} - {fault.usage_point for fault in town.town.faults}
    for point in (*sound, "MM-T-1"):
        truth = town.masters if point == "MM-T-1" else town.truth.panel
        asked = {"from": past.start.isoformat(), "to": past.end.isoformat()}
        block = client.get(f"/v1/usage-points/{point}/interval-blocks", params=asked).json()
        assert block["values"] == pytest.approx(truth.row(point).between(past).kwh[0].tolist(), abs=1e-6), point


def test_a_port_of_meters_is_announced_and_their_readings_are_left_to_the_collector(
    server: Server, tmp_path: Path
) -> None:
    where = ("--url", server.url, "--key", server.admin_key, "--state", str(tmp_path / "s.json"))
    truth = tmp_path / "truth.json"
    told_so = ("--seed", "9", "--days", "20", "--once", "--meters-port", "0", "--truth", str(truth))
    done = run(*where, "--homes", "6", *told_so)
    assert done.exit_code == 0, (done.output, done.exception)
    assert json.loads(truth.read_text())["clocks_ahead_s"] == {"UP-1005": 47.0, "UP-1006": -3.0}
    assert "tcp://127.0.0.1:" in done.stderr
    assert "M-1006 --driver generic-relay --usage-point UP-1006" in done.stderr
    assert "readings accepted" in done.stderr


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ((), UsageError, "where to"),
        (("--url", "http://127.0.0.1:9", "--out", "x"), UsageError, "where to"),
        (("--url", "http://127.0.0.1:9"), UsageError, "key"),
        (("--url", "nowhere", "--key", "k", "--once"), UsageError, "no address"),
        (("--url", "http://127.0.0.1:9", "--key", "k"), GridwrightError, "does not answer"),
        (("--url", "http://127.0.0.1:9", "--key", "k", "--json"), UsageError, "--json"),
        (("--url", "http://127.0.0.1:9", "--key", "k", "--from", "2999-01-01"), UsageError, "whole day"),
        (("--url", "http://127.0.0.1:9", "--key", "k", "--from", "soon"), InputError, "not a date"),
    ],
)
def test_what_is_wrong_is_said(
    words: tuple[str, ...], error: type[GridwrightError], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRIDWRIGHT_KEY", raising=False)
    failed = run(*words).exception
    assert isinstance(failed, error)
    assert said in str(failed)
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_may_not_is_refused_with_the_reason(server: Server, tmp_path: Path) -> None:
    failed = run("--url", server.url, "--key", "gw_00000000_wrong", "--once", "--state", str(tmp_path / "s")).exception
    assert isinstance(failed, GridwrightError)
    assert "401" in failed.where


def test_files_of_a_town_are_read_back(tmp_path: Path) -> None:
    done = run("--out", str(tmp_path), "--homes", "6", "--days", "20", "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    names = {Path(name).name for name in json.loads(done.stdout)["files"]}
    assert names == {"town.csv", "town.nem12", "masters.csv", "registers.csv", "truth.json"}
    document = json.loads((tmp_path / "truth.json").read_text())
    assert len(document["usage_points"]) == 6
    assert {theft["usage_point"] for theft in document["thefts"]} == {"UP-1003"}


def test_ctrl_c_stops_well_and_the_same_command_goes_on(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state.json"
    where = ("--url", server.url, "--key", server.admin_key, "--state", str(state), "--homes", "6", "--days", "20")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(simulate, "live", interrupted)
    stopped = run(*where, "--seed", "4")
    assert stopped.exit_code == 0, (stopped.output, stopped.exception)
    assert "Stopped" in stopped.stderr
    kept = load_story(state)
    assert kept is not None
    assert kept.done > kept.born - QUARTER
    again = run(*where, "--seed", "4", "--once")
    assert "Going on where it was left" in again.stderr
