"""Acts five to seven: readings become trusted ones, forecasts, plans and bills."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from gridwright.cli.story.arrive import is_told_anew
from gridwright.cli.story.stage import Stage
from gridwright.domain.interval import Interval, local_month, zone_of
from gridwright.simulate.town import Fault, FaultKind

# What each fault of the town must be found as; a late or corrected value leaves no doubt once it is there.
FOUND_AS = {
    FaultKind.GAP_SHORT: {"V10_missing", "V05_count"},
    FaultKind.GAP_DAY: {"V10_missing", "V05_count"},
    FaultKind.SPIKE: {"V12_capacity", "V18_spike"},
    FaultKind.STUCK: {"V17_stuck"},
    FaultKind.ZERO_RUN: {"V16_zero_run"},
    FaultKind.NEGATIVE: {"V11_negative"},
}
MANY = 1000
NEAR_KWH = Decimal("0.01")


def trust(stage: Stage) -> None:
    """Wait for validation, and hold its findings against the faults that the town has put in."""
    stage.wait("what changed is validated", lambda: stage.boss.get("/v1/status")["dirty_ranges"] == 0)
    findings = every(stage, "/v1/findings")
    faults = to_find(stage)
    missed = [f"{fault.kind} at {fault.usage_point}" for fault in faults if not is_found(fault, findings)]
    stage.check("every fault of a meter is found", not missed, ", ".join(missed) or f"{len(faults)} of {len(faults)}")
    stage.say(f"     {len(findings)} findings in all; the console's work list has them")


def to_find(stage: Stage) -> list[Fault]:
    """Return the faults that leave a doubt in what is stored: not those of a meter that was read again since."""
    return [fault for fault in stage.town.town.faults if fault.kind in FOUND_AS and not is_told_anew(stage, fault)]


def is_found(fault: Any, findings: list[dict[str, Any]]) -> bool:  # noqa: ANN401 - a fault of the simulation
    """Tell whether a finding of the right kind overlaps a fault."""
    return any(
        finding["usage_point"] == fault.usage_point
        and finding["code"] in FOUND_AS[fault.kind]
        and period_of(finding).overlaps(Interval(fault.period.start, fault.period.end))
        for finding in findings
    )


def period_of(document: dict[str, Any]) -> Interval:
    """Read the period of a JSON object."""
    from datetime import datetime

    return Interval(*(datetime.fromisoformat(document["period"][name]) for name in ("from", "to")))


def every(stage: Stage, path: str) -> list[dict[str, Any]]:
    """Return all pages of a list."""
    found, cursor = [], ""
    while True:
        page = stage.boss.get(path, limit=MANY, **({"cursor": cursor} if cursor else {}))
        found += page["items"]
        cursor = page.get("cursor") or page.get("next") or ""
        if not cursor:
            return found


def look_ahead(stage: Stage) -> None:
    """Issue forecasts and battery plans, and say what they are worth."""
    done = stage.boss.job("/v1/forecasts", {})
    points = len(stage.town.town.panel.points)
    stage.check("every usage point has a forecast", done["forecasts"] == points, f"{done['forecasts']} of {points}")
    batteries = [site.usage_point for site in stage.town.sites if site.battery_kwh]
    plans = {name: stage.boss.get(f"/v1/usage-points/{name}/plan")["body"] for name in batteries}
    stage.check("every battery has a plan", done["plans"] == len(batteries), f"{done['plans']}")
    worth = sum(plan["saving"] for plan in plans.values())
    stage.check(
        "a plan never costs more than no battery",
        all(plan["saving"] >= 0 for plan in plans.values()),
        f"{worth:.2f} EUR saved a day",
    )


def bill(stage: Stage) -> None:
    """Bill the last complete month, hold a bill against the truth, and issue it."""
    carla = stage.as_user("carla")
    # By the story's own clock: a month that ends while it plays has not been delivered to its end.
    order = {"period": last_month(stage)}
    done = carla.job("/v1/bills", order)
    for note in done["notes"]:
        stage.say(f"     {note}")
    points = stage.town.town.panel.points
    stage.check("every usage point has its bill", len(done["bills"]) == len(points), f"{len(done['bills'])} drafts")
    clean = next(point for point in points if point not in doubted(stage))
    (draft,) = carla.get(f"/v1/usage-points/{clean}/bills")["items"]
    true = true_kwh(stage, clean, period_of(draft))
    stage.check(
        "a bill's energy is what the meter measured",
        abs(Decimal(draft["energy_kwh"]) - true) < NEAR_KWH,
        f"{clean}: {draft['energy_kwh']} kWh, {draft['total']} {draft['currency']}",
    )
    again = carla.job("/v1/bills", order)
    stage.check("a second run changes nothing", again["new"] == 0)
    issued = carla.post(f"/v1/bills/{draft['id']}/issue")
    stage.check("an issued bill has its number", issued["number"] == 1, issued["number"])


def doubted(stage: Stage) -> set[str]:
    """Return the usage points with a fault or a finding: what is doubted may be billed by an estimate."""
    faulty = {fault.usage_point for fault in stage.town.town.faults}
    return faulty | {finding["usage_point"] for finding in every(stage, "/v1/findings")}


def true_kwh(stage: Stage, point: str, period: Interval) -> Decimal:
    """Return what a meter without faults would have counted."""
    wh = stage.town.town.truth.panel.row(point).between(period).values.sum()
    return Decimal(int(wh)) / 1000


def last_month(stage: Stage) -> str:
    """Return the last civil month that was over when the story began."""
    local = stage.now.astimezone(zone_of(stage.town.town.zone))
    return f"{local.replace(day=1) - timedelta(days=1):%Y-%m}"


def this_month(stage: Stage) -> str:
    """Return the civil month in which the event was, as `2026-11`."""
    local = stage.event.start.astimezone(zone_of(stage.town.town.zone))
    month = local_month(local.year, local.month, zone_of(stage.town.town.zone))
    return f"{month.start + timedelta(days=1):%Y-%m}"
