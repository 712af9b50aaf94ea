"""Devices and controls by command, against a virtual meter on a real port: from `collect add` to a disconnect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from gridwright import settings
from gridwright.cli import collect, context, control
from gridwright.domain.access import LOCAL_OWNER, Role
from gridwright.domain.device import RelayState
from gridwright.domain.errors import (
    AccessDenied,
    ConfigError,
    Conflict,
    ControlRefused,
    InputError,
    NotFound,
    UsageError,
)
from gridwright.domain.identity import User
from gridwright.simulate.virtual_meter import MeterServerThread, VirtualMeter
from gridwright.store import open_store
from tests.integration.field.street import PASSWORD, wh_of

tree = typer.Typer()
for noun, group in (("collect", collect.app), ("control", control.app)):
    tree.add_typer(group, name=noun)


@pytest.fixture
def meter() -> Iterator[tuple[VirtualMeter, str]]:
    """A meter in real time behind a real port, and its address."""
    since = (datetime.now(UTC) - timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
    one = VirtualMeter("M-1", clock=lambda: datetime.now(UTC), source=wh_of, since=since, password=PASSWORD)
    with MeterServerThread([one]) as server:
        yield one, server.address("M-1")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    context.remember()  # the groups run without the words before them: those of another test do not count
    monkeypatch.setenv("GRIDWRIGHT_COLLECT__TIMEOUT_S", "1")
    monkeypatch.setattr(settings, "NO_SETTINGS", (*settings.NO_SETTINGS, "GRIDWRIGHT_KEY"))
    return tmp_path


def run(*words: str, said: str = "", key: str = "") -> Result:
    return CliRunner().invoke(tree, list(words), input=said, env={"GRIDWRIGHT_KEY": key} if key else {})


def document(*words: str, said: str = "") -> Any:  # noqa: ANN401 - JSON
    done = run(*words, "--json", said=said)
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


def add(address: str, *more: str, said: str = f"{PASSWORD}\n") -> Result:
    since = (datetime.now(UTC) - timedelta(days=1)).replace(microsecond=0).isoformat()
    basic = ["M-1", "--driver", "generic-relay", "--address", address, "--usage-point", "UP-1", "--since", since]
    return run("collect", "add", *basic, "--password-stdin", *more, said=said)


def keys() -> tuple[str, str]:
    """Make the operators ann and bob, and return their keys."""
    with open_store("gridwright.db") as store:
        for name in ("ann", "bob"):
            store.identities.save_user(LOCAL_OWNER, User(name, Role.OPERATOR))
        ann, bob = (store.identities.create_key(LOCAL_OWNER, name)[1] for name in ("ann", "bob"))
    return ann, bob


def test_from_add_to_a_proven_disconnect(meter: tuple[VirtualMeter, str], here: Path) -> None:
    device, address = meter
    assert "UP-1 was not known" in add(address).stderr
    assert PASSWORD.encode() not in (here / "gridwright.db").read_bytes()
    done = run("collect", "commission")
    assert done.exit_code == 0
    assert "M-1: in-service" in done.stderr
    read = document("collect", "run", "M-1")
    assert (read["read"], read["failed"]) == (1, 0)
    assert read["readings"] >= 180
    (link,) = document("collect", "status")["devices"]
    assert (link["state"], link["usage_point"], link["problem"]) == ("in-service", "UP-1", "")
    ann, bob = keys()
    asked = document("control", "request", "UP-1", "disconnect", "--reason", "contract ended", "--key", ann)
    assert asked["requested_by"] == "ann"
    assert 0.4 <= asked["consequence"]["load_kw"] <= 0.8
    refused = run("control", "approve", asked["id"], "--key", ann)
    assert isinstance(refused.exception, ControlRefused)
    assert document("control", "execute", "--once")["looked_at"] == 0
    before = device.relay
    approved = run("control", "approve", asked["id"], key=bob)
    assert "ann asks for a disconnect: contract ended" in approved.stderr
    assert "would lose supply" in approved.stderr
    assert document("control", "execute", "--once")["confirmed"] == 1
    assert (before, device.relay) == (RelayState.CONNECTED, RelayState.DISCONNECTED)
    shown = document("control", "status", asked["id"])
    assert [step["state"] for step in shown["steps"]] == ["requested", "approved", "armed", "sent", "confirmed"]
    assert "read back" in shown["evidence"]
    assert "confirmed" in run("control", "status").stdout
    assert "approved" in run("control", "status", asked["id"]).stdout


def test_the_local_owner_cannot_approve_alone(meter: tuple[VirtualMeter, str]) -> None:
    add(meter[1])
    run("collect", "commission")
    control_id = document("control", "request", "UP-1", "disconnect", "--reason", "r")["id"]
    assert isinstance(run("control", "approve", control_id).exception, ControlRefused)
    assert "withdrawn by local: mistake" in run("control", "reject", control_id, "--reason", "mistake").stderr


def test_a_dry_run_asks_for_nothing(meter: tuple[VirtualMeter, str]) -> None:
    add(meter[1])
    seen = document("control", "request", "UP-1", "disconnect", "--reason", "r", "--dry-run")
    assert [refusal["rule"] for refusal in seen["consequence"]["refusals"]] == ["not-in-service"]
    run("collect", "commission")
    done = run("control", "request", "UP-1", "disconnect", "--reason", "r", "--dry-run")
    assert "No rule is against it" in done.stderr
    assert document("control", "status") == {"controls": []}


def test_commissioning_that_fails_says_so_and_ends_with_1(meter: tuple[VirtualMeter, str]) -> None:
    meter[0].faults.silent = True
    add(meter[1])
    done = run("collect", "commission")
    assert done.exit_code == 1
    assert "M-1: registered, stopped:" in done.stderr
    assert "registered" in run("collect", "status").stdout


def test_the_same_again_changes_nothing_and_a_new_address_begins_anew(meter: tuple[VirtualMeter, str]) -> None:
    add(meter[1])
    run("collect", "commission")
    add(meter[1])
    assert document("collect", "status")["devices"][0]["state"] == "in-service"
    add("tcp://127.0.0.1:9/M-1")
    assert document("collect", "status")["devices"][0]["state"] == "registered"


@pytest.mark.parametrize(
    ("more", "error"),
    [
        (["--driver", "magic"], ConfigError),
        (["--address", "http://x"], ConfigError),
        (["--address", "tcp://127.0.0.1:9/M-2"], InputError),
        (["--multiplier", "many"], UsageError),
        (["--multiplier", "1_0"], UsageError),
        (["--multiplier", "0"], InputError),
    ],
)
def test_a_device_that_cannot_be_added(more: list[str], error: type[Exception]) -> None:
    assert isinstance(add("tcp://127.0.0.1:9/M-1", *more).exception, error)


def test_no_password_on_stdin() -> None:
    assert isinstance(add("tcp://127.0.0.1:9/M-1", said="").exception, UsageError)


def test_another_meter_hangs_there() -> None:
    add("tcp://127.0.0.1:9/M-1")
    place = ["--address", "tcp://127.0.0.1:9/M-2", "--usage-point", "UP-1"]
    again = run("collect", "add", "M-2", "--driver", "generic-relay", *place)
    assert isinstance(again.exception, Conflict)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["collect", "run", "--watch", "--json"], UsageError),
        (["collect", "commission"], NotFound),
        (["collect", "run", "M-9"], NotFound),
        (["control", "request", "UP-9", "disconnect", "--reason", "r"], NotFound),
        (["control", "request", "UP-9", "disconnect", "--reason", "r", "--expires", "soon"], UsageError),
        (["control", "approve", "C-0"], NotFound),
        (["control", "execute", "--json"], UsageError),
        (["control", "status", "--key", "gw_00000000_x"], AccessDenied),
    ],
)
def test_calls_that_cannot_be(words: list[str], error: type[Exception]) -> None:
    assert isinstance(run(*words).exception, error)


def test_nothing_yet() -> None:
    assert "No device has been added yet" in run("collect", "status").stderr
    assert "No control has been asked for yet" in run("control", "status").stderr
    assert document("collect", "run")["due"] == 0
