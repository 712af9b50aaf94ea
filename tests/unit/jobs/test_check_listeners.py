"""What the doctor says of the listeners of MQTT."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from gridwright.jobs.upkeep.check_listeners import check_listeners
from gridwright.jobs.upkeep.health import State
from gridwright.jobs.upkeep.listener_status import ListenerStatus, listener_folder, read_listeners, write_status

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
WELL = ListenerStatus("gridwright", "broker:1883", 1, NOW, connected=True, last_message=NOW - timedelta(seconds=3))


@pytest.mark.parametrize(
    ("changed", "state", "said"),
    [
        ({}, State.OK, "connected to broker:1883, the last message 3 s ago, 0 wait"),
        ({"last_message": None}, State.OK, "no message yet"),
        ({"waiting": 7, "lag_s": 31.0}, State.WARN, "7 wait, the oldest for 31 s"),
        ({"waiting": 2, "held": 2}, State.WARN, "2 of them for a birth"),
        ({"rejected": 4}, State.WARN, "4 refused"),
        ({"doubted": 2}, State.OK, "2 reads doubted"),
        ({"connected": False, "problem": "nobody knows this host"}, State.FAIL, "not connected to broker:1883: nobody"),
        ({"written": NOW - timedelta(minutes=5)}, State.FAIL, "silent for 5 min"),
        ({"written": NOW - timedelta(minutes=5), "stopped": True}, State.WARN, "stopped for 5 min"),
        ({"written": NOW - timedelta(days=30), "stopped": True}, State.OK, "stopped for 30 d"),
    ],
)
def test_a_listener_is_looked_at(changed: dict[str, object], state: State, said: str) -> None:
    (check,) = check_listeners([msgspec.structs.replace(WELL, **changed)], "broker:1883", NOW)
    assert (check.state, said in check.found) == (state, True), check
    assert check.remedy or check.state is State.OK


def test_a_broker_without_a_listener_is_a_fault_and_none_at_all_is_not() -> None:
    assert [one.state for one in check_listeners([], "broker:1883", NOW)] == [State.FAIL]
    assert [one.state for one in check_listeners([], "", NOW)] == [State.OK]


def test_listeners_are_found_by_what_they_wrote(tmp_path: Path) -> None:
    for name in ("b", "../a"):
        folder = listener_folder(tmp_path, name)
        folder.mkdir(parents=True)
        assert folder.parent == tmp_path / "listen"
        write_status(folder, msgspec.structs.replace(WELL, listener=name))
    (tmp_path / "listen" / "c").mkdir()
    (tmp_path / "listen" / "c" / "status.json").write_text("{")
    assert [one.listener for one in read_listeners(tmp_path)] == ["../a", "b"]
