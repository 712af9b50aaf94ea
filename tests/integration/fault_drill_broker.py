"""The broker's part of the fault drill: meters publish, and broker, listener or both are killed, under load."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.store import Store, open_store
from tests.integration.fault_drill_row import PAUSE, Row, some
from tests.integration.listen_site import ForkedListener, Message, Mosquitto, Sender, there_is_a_broker
from tests.integration.patience import ENOUGH, await_progress

START = datetime(2025, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
DEVICES = 6
PACE_S = 0.002
LONGEST_PEACE_S = 2.0  # longer than meters send again: what nobody repeats is put to the proof as well
# By the listener's group: with one, Mosquitto forgets the subscription, but not the session, when it is killed.
BROKER_FAULTS = {"broker and listener killed": "", "broker and listener of a group killed": "centre"}


def value(device: int, slot: int) -> int:
    return 1000 * device + 3 * slot


def messages() -> Iterator[Message]:
    """Yield one reading after another of all devices: every other one is a register."""
    for number in count():
        slot, device = divmod(number, DEVICES)
        body = json.dumps({"value": value(device, slot) / 1000, "at": (START + QUARTER * slot).isoformat()})
        named = f"UP-{device}/kwh" if device % 2 else f"M-{device}/register_kwh"
        yield Message(number, f"gridwright/{named}", body)


def prepare(place: Path) -> None:
    with open_store(place) as store, store.transaction():
        store.registry.save_points(ME, [UsagePoint(f"UP-{device}") for device in range(DEVICES)])
        for device in range(DEVICES):
            store.registry.save_meter(ME, Meter(f"M-{device}"))
            store.registry.save_installation(ME, install(f"UP-{device}", f"M-{device}", START))


def play_broker(fault: str, rounds: int, folder: Path) -> Row:
    """Kill broker and listener by turns, and compare what the broker took with what is stored."""
    if not there_is_a_broker():
        return Row(fault, 0, 0, 0, 0, 0, 0, 0, 0.0, "Mosquitto is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    place, began, group = folder / "gridwright.db", time.monotonic(), BROKER_FAULTS[fault]
    prepare(place)
    broker = Mosquitto(folder)
    listener = ForkedListener(folder, broker.port, {"GRIDWRIGHT_MQTT__GROUP": group} if group else {})
    broker.start()
    try:
        listener.start()
        sender = Sender(broker.port, messages(), pace_s=PACE_S)
        played = caught = 0
        while played < rounds and not ENOUGH.is_set():
            caught += play_round(broker, listener, sender)
            played += 1
        sender.stop()
        with open_store(place) as store:
            goal = len({message.number for message in sender.accepted})
            await_progress(lambda: stored(store), lambda now: now >= goal, f"{goal} that are stored", 0.5)
            listener.stop()
            assert "Traceback" not in listener.said, listener.said
            return replace(compared(fault, played, store, sender, time.monotonic() - began), caught=caught)
    finally:
        listener.kill()
        broker.kill()


def play_round(broker: Mosquitto, listener: ForkedListener, sender: Sender) -> bool:
    """Kill the broker, the listener, and both; tells whether messages were under way whenever the broker was."""
    sender.more(some())
    time.sleep(PAUSE.random() * LONGEST_PEACE_S)
    first = broker_killed(broker, sender)
    broker.start()
    sender.more(some())
    listener.kill()
    sender.more(some())  # nobody listens: the broker keeps it
    listener.start()
    sender.more(some())
    listener.kill()
    second = broker_killed(broker, sender)
    broker.start()
    listener.start()
    return first and second


def broker_killed(broker: Mosquitto, sender: Sender) -> bool:
    """Kill the broker; tells whether it had taken messages, or was to take them, that it had not acknowledged."""
    broker.kill()
    return sender.under_way > 0


def stored(store: Store) -> int:
    return sum(len(found_of(store, device)[1]) for device in range(DEVICES))


def found_of(store: Store, device: int) -> tuple[Counter[int], dict[int, float]]:
    """Return how often each slot of a device is stored, and with which value."""
    whole, name = Interval(START, START + timedelta(days=600)), f"UP-{device}"
    if device % 2 == 0:
        reads = store.registers.load(ME, name, whole)
        times = Counter((read.at - START) // QUARTER for read in reads)
        return times, {(read.at - START) // QUARTER: read.value for read in reads}
    panel = store.readings.load(ME, name, whole, interval=QUARTER)
    found = {slot: one for slot, one in enumerate(panel.values[0].tolist()) if one == one}  # noqa: PLR0124 - NaN
    return Counter(list(found)), found


def compared(fault: str, rounds: int, store: Store, sender: Sender, seconds: float) -> Row:
    """Compare, by value, what the broker acknowledged with what is stored."""
    accepted = {message.number for message in sender.accepted}
    total = lost = doubled = wrong = 0
    for device in range(DEVICES):
        times, found = found_of(store, device)
        slots = {number // DEVICES for number in accepted if number % DEVICES == device}
        total += len(found)
        lost += len(slots - set(found))
        doubled += sum(each - 1 for each in times.values())
        wrong += len(set(found) - slots) + sum(one != value(device, slot) for slot, one in found.items())
    doubled += len(sender.accepted) - len(accepted)
    assert store.audit.verify(ME) > 0
    resent = sender.refused + sender.repeated
    counts = (len(accepted), total, lost, doubled, wrong + len(sender.odd), resent)
    return Row(fault, rounds, *counts, seconds)
