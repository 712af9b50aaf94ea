"""Messages about outages: kept in their order before they are acknowledged, and put aside with the reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gridwright.api.ingest.meaning import Wrong
from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import StoreError, StoreLocked
from gridwright.domain.event import POWER_CANCELLED, POWER_OFF, POWER_ON
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.grid.tell_outage import OutageDone, tell_outage
from gridwright.listen import listener as module
from gridwright.listen import outages
from gridwright.listen.address import address_of
from gridwright.listen.broker import Arrived
from gridwright.listen.listener import Listener, folder_of
from gridwright.listen.outages import is_of, read_outage
from gridwright.listen.rejected import read_rejected
from gridwright.settings import MqttSettings, Settings, StoreSettings

TOPIC = "room/1/outages"
TOLD = {"usage_points": ["UP-1"], "from": "2025-03-03T08:15:00Z", "to": "2025-03-03T09:00:00Z", "text": "a digger"}


class Source:
    """A connection that notes what was acknowledged, and how many events were stored by then."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.acknowledged: list[tuple[int, int]] = []

    def acknowledge(self, message: Arrived) -> None:
        self.acknowledged.append((message.number, len(self.platform.store.devices.events(ME, point="UP-1"))))


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    chosen = MqttSettings(host="broker", outage_topics=("room/+/outages",))
    settings = Settings(store=StoreSettings(url=str(tmp_path / "gridwright.db")), mqtt=chosen)
    with closing(Platform(settings)) as made:
        made.store.registry.save_points(ME, [UsagePoint("UP-1")])
        yield made


def play(platform: Platform, *payloads: bytes | dict[str, Any]) -> tuple[Listener, Source]:
    """Let messages arrive at once."""

    async def arrive() -> tuple[Listener, Source]:
        listener, source = Listener(platform, platform.settings.mqtt), Source(platform)
        for number, payload in enumerate(payloads):
            body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
            listener.arrived(Arrived(TOPIC, body, 1, number, 1, source))  # type: ignore[arg-type]
        await asyncio.gather(*listener._under_way)
        return listener, source

    return asyncio.run(arrive())


def test_each_is_kept_in_turn_and_then_acknowledged(platform: Platform) -> None:
    undone = {"usage_points": ["UP-1"], "from": TOLD["from"], "cancel": True}
    listener, source = play(platform, TOLD, undone, undone)
    assert source.acknowledged == [(0, 2), (1, 4), (2, 4)]
    assert (listener.figures.outages, listener.figures.rejected) == (3, 0)
    kept = platform.store.devices.events(ME, point="UP-1")
    off = {(each.type, each.at) for each in kept if each.type != POWER_CANCELLED}
    assert off == {
        (POWER_OFF, datetime(2025, 3, 3, 8, 15, tzinfo=UTC)), (POWER_ON, datetime(2025, 3, 3, 9, tzinfo=UTC))
    }  # fmt: skip
    assert {each.details["told_by"] for each in kept} == {"mqtt"}


@pytest.mark.parametrize(
    ("payload", "field", "said"),
    [
        (b"off", "payload", "no JSON object"),
        (b"\xff", "payload", "no JSON object"),
        (b"[1]", "payload", "no JSON object"),
        (b"[" * 100_000, "payload", "no JSON object"),
        ({**TOLD, "usage_points": []}, "usage_points", "at least 1"),
        ({**TOLD, "usage_points": [" "]}, "usage_points", "it is empty"),
        ({**TOLD, "usage_points": [7]}, "usage_points", "valid string"),
        ({**TOLD, "from": "never"}, "from", "RFC 3339"),
        ({**TOLD, "from": "2025-03-03T08:15:00"}, "from", "no offset"),
        ({**TOLD, "to": "2025-03-03T08:00:00Z"}, "to", "not after the beginning"),
        ({**TOLD, "from": "2125-03-03T08:15:00Z", "to": None}, "from", "in the future"),
        ({**TOLD, "cancel": "yes"}, "cancel", "neither true nor false"),
        ({**TOLD, "cancel": True}, "to", "not permitted"),
        ({**TOLD, "usage_point": "UP-1"}, "usage_point", "not permitted"),
        ({"usage_points": ["UP-1"], "from": TOLD["from"], "cancel": True}, "usage_points", "no outage of UP-1"),
    ],
)
def test_what_cannot_be_kept_is_put_aside_with_the_reason(
    platform: Platform, payload: bytes | dict[str, Any], field: str, said: str
) -> None:
    listener, source = play(platform, payload, TOLD)
    assert sorted(number for number, _ in source.acknowledged) == [0, 1], "it stands in nobody's way"
    assert (listener.figures.outages, listener.figures.rejected) == (1, 1)
    (kept,) = read_rejected(folder_of(platform))
    (verdict,) = kept["verdicts"]
    assert (verdict["field"], said in verdict["reason"]) == (field, True), verdict


def test_one_that_nobody_knows_waits_and_one_that_is_none_is_put_aside(platform: Platform) -> None:
    mixed = {**TOLD, "usage_points": ["UP-9", "UP-1", None]}
    listener, source = play(platform, mixed, mixed)
    assert source.acknowledged == [(0, 2), (1, 2)]
    assert (listener.figures.outages, listener.figures.rejected) == (2, 2)
    (kept, _) = read_rejected(folder_of(platform))
    (verdict,) = kept["verdicts"]
    assert (verdict["index"], verdict["field"]) == (2, "usage_points")
    waiting = platform.store.waiting_events.devices(ME)
    assert [(each.end_device, each.events) for each in waiting] == [("UP-9", 2)]


def test_a_database_that_is_away_is_waited_for(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[Exception] = [StoreLocked("it is locked"), StoreError("the database does not answer")]
    tell = tell_outage

    def failing(*given: Any, **more: Any) -> OutageDone:  # noqa: ANN401 - as the job's
        if failures:
            raise failures.pop(0)
        return tell(*given, **more)

    monkeypatch.setattr(module, "PAUSES_S", (0.0,))
    monkeypatch.setattr(outages, "tell_outage", failing)
    listener, source = play(platform, TOLD)
    assert (source.acknowledged, listener.figures.outages) == ([(0, 2)], 1)


def test_what_the_database_refuses_and_a_fault_of_ours_stand_in_nobody_s_way(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    for failure in (StoreError("the database refused it"), ZeroDivisionError()):

        def failing(*_: object, failure: Exception = failure, **__: object) -> int:
            raise failure

        monkeypatch.setattr(outages, "tell_outage", failing)
        listener, source = play(platform, TOLD)
        assert (source.acknowledged, listener.figures.rejected) == ([(0, 0)], 1)


def test_topics_are_subscribed_to_and_none_is_without_a_setting(platform: Platform) -> None:
    assert "room/+/outages" in address_of(platform.settings.mqtt).filters
    assert MqttSettings().outage_topics == ()


@pytest.mark.parametrize(
    ("topic", "wanted", "fits"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/+", True),
        ("a/b/c", "a/+", False),
        ("a", "a/+", False),
        ("a/b/c", "a/#", True),
        ("a", "a/#", True),
        ("b/c", "a/#", False),
        ("a/b", "#", True),
    ],
)
def test_a_topic_is_of_a_filter(topic: str, wanted: str, fits: bool) -> None:
    assert is_of(topic.split("/"), wanted.split("/")) is fits


def test_nothing_is_read_out_of_what_says_nothing() -> None:
    with pytest.raises(Wrong, match="Field required"):
        read_outage(b"{}")
