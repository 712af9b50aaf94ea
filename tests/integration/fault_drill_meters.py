"""The meters of the fault drill: each sends one reading after another to the edge, until it is acknowledged."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import httpx
import numpy as np

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.store import Store

START = datetime(2026, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
WAYS = ("form", "json", "lines", "revised")
AGAIN = {429, 503, 507}
PACE_S = 0.005  # between two readings of a device: the faults are the point, not the heat


@dataclass(slots=True)
class Device:
    """A meter that sends one reading after another, each until it is acknowledged, as real ones do.

    `way`: how it speaks; `revised` sends each reading as a draft first, which the next request supersedes. `padding`:
    spaces around a body, which an edge keeps too.
    """

    number: int
    way: str
    padding: int = 0
    slot: int = 0
    is_final: bool = True  # what is sent next is no draft
    acknowledged: int = 0
    resent: int = 0
    refused: int = 0  # of those sent again, because there was no room
    odd: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.is_final = self.way != "revised"

    def value(self, slot: int, *, is_final: bool = True) -> int:
        return 1000 * self.number + 3 * slot - (not is_final)

    def request(self, client: httpx.AsyncClient) -> httpx.Request:
        at, kwh = START + QUARTER * self.slot, self.value(self.slot, is_final=self.is_final) / 1000
        if self.way == "form":
            form = {"meter_id": f"M-{self.number}", "reading": f"{kwh}", "at": at.isoformat()}
            return client.build_request("POST", "/meter_reading", data=form)
        if self.way == "lines":
            line = f"energy,usage_point=UP-{self.number} kwh={kwh} {int(at.timestamp())}" + "\n" * self.padding
            return client.build_request("POST", "/api/v2/write", params={"precision": "s"}, content=line)
        record = {"usage_point": f"UP-{self.number}", "start": at.isoformat(), "kwh": kwh, "interval_s": 900}
        body, headers = json.dumps([record]) + " " * self.padding, {"Content-Type": "application/json"}
        return client.build_request("POST", "/v1/readings", content=body, headers=headers)

    async def send(self, client: httpx.AsyncClient) -> None:
        try:
            answer = await client.send(self.request(client))
        except httpx.TransportError:
            self.resent += 1
            await asyncio.sleep(0.02)
            return
        if answer.is_success:
            self._next()
            await asyncio.sleep(PACE_S)
        elif answer.status_code in AGAIN:
            self.resent += 1
            self.refused += answer.status_code == HTTPStatus.INSUFFICIENT_STORAGE
            await asyncio.sleep(0.05)
        else:
            self.odd.append(f"{answer.status_code} {answer.text}")
            self.slot += 1

    def _next(self) -> None:
        if self.is_final:
            self.slot, self.acknowledged = self.slot + 1, self.acknowledged + 1
        self.is_final = self.way != "revised" or not self.is_final


def compare_meter(store: Store, device: Device) -> tuple[int, list[int], int, int]:
    """Return how many readings of a device are stored, which slots are lost, how many are doubled and wrong."""
    times, found = found_of(store, device)
    sent = set(range(device.slot))
    doubled = sum(count - 1 for count in times.values())
    # The reading under way at the end may be there too, or its draft.
    strange = set(found) - sent - {device.slot}
    under_way = {device.value(device.slot), device.value(device.slot, is_final=device.way != "revised")}
    wrong = len(strange) + len(device.odd) + sum(found[slot] != device.value(slot) for slot in sent & set(found))
    wrong += device.slot in found and found[device.slot] not in under_way
    return len(found), sorted(sent - set(found)), doubled, wrong


def found_of(store: Store, device: Device) -> tuple[Counter[int], dict[int, float]]:
    """Return how often each slot of a device is stored, and with which value."""
    whole, name = Interval(START, START + QUARTER * (device.slot + 2)), f"UP-{device.number}"
    if device.way == "form":
        reads = store.registers.load(ME, name, whole)
        times = Counter((read.at - START) // QUARTER for read in reads)
        return times, {(read.at - START) // QUARTER: read.value for read in reads}
    panel = store.readings.load(ME, name, whole, interval=QUARTER)
    found = {slot: value for slot, value in enumerate(panel.values[0].tolist()) if not np.isnan(value)}
    return Counter(list(found)), found
