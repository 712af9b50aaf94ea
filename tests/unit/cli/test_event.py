"""`gridwright event` as a person uses it: offer, plan, opt out, settle; and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from gridwright.cli import event as commands
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import GridwrightError, UsageError
from gridwright.domain.panel import Panel
from gridwright.domain.topology import Node, NodeKind
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import open_store

START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=60)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path}/town.db"
    monkeypatch.setenv("GRIDWRIGHT_STORE__URL", address)
    store = open_store(address)
    store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1"), UsagePoint("UP-2")])
    panel = Panel(("UP-1",), START, HOUR, np.full((1, 60 * 24), 1000.0))
    store.readings.save(LOCAL_OWNER, panel, known_at=panel.end)
    store.close()


def run(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(commands.app, [*words, "--json"], catch_exceptions=True)
    if isinstance(done.exception, GridwrightError):
        raise done.exception
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def a_plan(*who: str) -> dict[str, Any]:
    run("program", "add", "peak", "--price", "0.50", "--currency", "eur", "--name", "Peak saver")
    soon = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + 2 * HOUR
    return run("plan", "peak", "--from", soon.isoformat(), "--to", (soon + HOUR).isoformat(), *who)


def test_an_offer_is_listed_with_its_rule() -> None:
    added = run("program", "add", "peak", "--price", "0.50", "--currency", "eur")
    assert added["changed"] is True
    assert run("program", "add", "peak", "--price", "0.50", "--currency", "eur")["changed"] is False
    (offer,) = run("program", "list")["programs"]
    assert offer == {
        "program": "peak",
        "name": "peak",
        "price_per_kwh": 0.5,
        "currency": "EUR",
        "baseline": "10-of-10",
    }


def test_an_event_is_planned_opted_out_of_and_cancelled() -> None:
    event = str(a_plan("--all")["event"])
    assert run("show", event)["targets"] == ["UP-1", "UP-2"]
    assert run("opt-out", event, "UP-2")["opted_out"] == ["UP-2"]
    assert run("cancel", event)["state"] == "cancelled"
    assert [each["event"] for each in run("list")["events"]] == [event]
    shown = CliRunner().invoke(commands.app, ["show", event])
    assert shown.exit_code == 0
    assert "cancelled" in shown.output


def test_an_event_that_is_not_over_is_neither_measured_nor_settled() -> None:
    event = str(a_plan("--target", "UP-1")["event"])
    for verb in ("measure", "settle"):
        with pytest.raises(GridwrightError, match="not over before"):
            run(verb, event)


def test_a_past_event_is_measured_and_settled() -> None:
    from gridwright.domain.interval import Interval
    from gridwright.jobs.programs.run_event import plan_event

    a_plan("--target", "UP-2")
    store = open_store(f"sqlite:///{Path.cwd()}/town.db")
    day = START + timedelta(days=55)
    period = Interval(day + 17 * HOUR, day + 19 * HOUR)
    saved = Panel(("UP-1",), period.start, HOUR, np.array([[400.0, 500.0]]))
    store.readings.save(LOCAL_OWNER, saved, known_at=period.end)
    event = plan_event(
        store, LOCAL_OWNER, program="peak", period=period, targets=("UP-1", "UP-2"), now=period.start - HOUR
    ).id
    store.close()
    (measured,) = run("measure", event)["performances"]
    assert measured["reduction_kwh"] == 1.1
    settled = run("settle", event)
    assert settled["problems"] == {"UP-2": "there are no interval readings of energy from the weeks before"}
    assert run("settle", event) == settled
    told = CliRunner().invoke(commands.app, ["settle", event])
    assert "Together 1.100 kWh less than the baseline (10-of-10 v1); 0.55 EUR are paid" in told.output
    assert "Not measured: UP-2" in told.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["program", "add", "peak", "--price", "free"], "is no price"),
        (["program", "add", "peak", "--price", "-1"], "is no price"),
        (["program", "add", "peak", "--price", "1e2"], "is no price"),
        (["program", "add", "peak", "--price", "0"], "is no price"),
        (["plan", "peak", "--from", "2030-01-01", "--to", "2030-01-02"], "say who takes part"),
        (["plan", "peak", "--from", "2030-01-01", "--to", "2030-01-02", "--all", "--target", "A"], "say who"),
    ],
)
def test_a_wrong_call_says_so(words: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        run(*words)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["", "--price", "1"], "a program needs an id"),
        (["peak", "--price", "1", "--currency", "€"], "'€' is no currency"),
        (["peak", "--price", "1e400"], "is no price"),
        (["peak", "--price", "0.0000000001"], "more than 9 decimals"),
    ],
)
def test_an_offer_that_nobody_can_settle_is_refused(words: list[str], told: str) -> None:
    with pytest.raises(GridwrightError, match=told):
        run("program", "add", *words)


def test_everybody_is_every_customer_and_no_master_meter(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/town.db") as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("MM-1")])
        store.network.save_nodes(LOCAL_OWNER, [Node("T-1", NodeKind.TRANSFORMER, meter="MM-1")])
    assert a_plan("--all")["targets"] == ["UP-1", "UP-2"]
    with pytest.raises(GridwrightError, match="MM-1 is a master meter"):
        a_plan("--target", "MM-1")


def test_an_unknown_baseline_names_those_that_exist() -> None:
    with pytest.raises(GridwrightError, match="known: 10-of-10"):
        run("program", "add", "peak", "--price", "1", "--baseline", "magic")
