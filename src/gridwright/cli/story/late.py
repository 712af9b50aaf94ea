"""Act eight: readings come late for a month that is billed already, and a credit note follows by itself."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

from gridwright.cli.story.stage import Stage
from gridwright.cli.story.understand import period_of
from gridwright.domain.interval import Interval

# Long before the days that the event and the balances look at.
DAY, HOURS = 4, (18, 20)
OK = 200


def correct_bill(stage: Stage) -> None:
    """Deliver an evening of the billed month again, lower; follow it to a credit note, and deliver it once more."""
    carla = stage.as_user("carla")
    bill = next(each for each in carla.get("/v1/bills")["items"] if each["state"] == "issued")
    evening = evening_of(period_of(bill), stage)
    records, less = lowered(stage, bill["usage_point"], evening)
    deliver(stage, records)
    stage.wait("the late readings reach the bill", lambda: drafts(stage, bill))
    (draft,) = drafts(stage, bill)
    note = carla.get(f"/v1/corrections/{draft['id']}")
    stage.check(
        "late readings of a billed month draft a credit note",
        note["kind"] == "credit note" and Decimal(note["total"]) < 0,
        f"{bill['usage_point']}: {less} kWh less, {note['total']} {note['currency']}",
    )
    billed, now = (energy(note["lines"], side) for side in ("billed", "now"))
    stage.check("its lines differ by what was delivered less", billed - now == less, f"{billed} - {now} kWh")
    issued = carla.post(f"/v1/corrections/{draft['id']}/issue")
    stage.check("the credit note has its number", issued["number"] == 1, issued["number"])
    deliver(stage, records)
    stage.wait("nothing is left to judge", lambda: stage.boss.get("/v1/status")["dirty_ranges"] == 0)
    again = carla.get(f"/v1/bills/{bill['id']}/corrections")["items"]
    stage.check("the same readings again correct nothing", [each["id"] for each in again] == [draft["id"]])


def evening_of(period: Interval, stage: Stage) -> Interval:
    """Return two hours of an evening early in the month, on the grid of the readings."""
    start, step = stage.town.town.panel.start, stage.town.town.interval
    near = period.start + timedelta(days=DAY, hours=HOURS[0])
    first = start + (near - start) // step * step
    return Interval(first, first + timedelta(hours=HOURS[1] - HOURS[0]))


def lowered(stage: Stage, point: str, evening: Interval) -> tuple[list[dict[str, Any]], Decimal]:
    """Return the readings of an evening, each halved, and by how many kWh they are lower."""
    panel = stage.town.truth.panel.row(point).between(evening)
    counts = panel.values[0].astype(int).tolist()
    halves = [count // 2 for count in counts]
    records = [
        {
            "usage_point": point,
            "start": (panel.start + panel.interval * slot).isoformat(),
            "kwh": half / 1000,
            "interval_s": panel.interval_s,
        }
        for slot, half in enumerate(halves)
    ]
    return records, Decimal(sum(counts) - sum(halves)) / 1000


def deliver(stage: Stage, records: list[dict[str, Any]]) -> None:
    """Send readings as the head-end does."""
    answer = stage.as_user("head-end").call("POST", "/v1/readings", json.dumps(records).encode())
    stage.check("the late readings are acknowledged", answer.status == OK and answer.json["accepted"] == len(records))


def drafts(stage: Stage, bill: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the drafts of corrections to a bill."""
    listed = stage.as_user("carla").get(f"/v1/bills/{bill['id']}/corrections")["items"]
    return [each for each in listed if each["state"] == "draft"]


def energy(lines: list[dict[str, Any]], side: str) -> Decimal:
    """Add up the energy of one side of a note's lines."""
    return sum((Decimal(line[side]["quantity"]) for line in lines if line["unit"] == "kWh"), Decimal(0))
