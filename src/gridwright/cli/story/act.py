"""Acts nine to eleven: customers help and are paid, the network's losses are seen, a meter is switched off and on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from gridwright.cli.story.arrive import town_of
from gridwright.cli.story.client import Answer, Client
from gridwright.cli.story.stage import Stage, clock
from gridwright.cli.story.understand import this_month
from gridwright.demand_response import baseline_rule, measure
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.device import RelayState
from gridwright.domain.errors import GridwrightError

RULE = "10-of-10"
PROGRAM = {
    "id": "evening-saver",
    "name": "Evening saver",
    "currency": "EUR",
    "price_per_kwh": "0.45",
    "baseline": RULE,
}
NOTICE = timedelta(hours=24)
# What was measured less the baseline's own error of that evening is what was given, but for estimates of faulty meters.
PLAUSIBLE = (0.8, 1.25)
FINAL = ("confirmed", "failed", "expired")
FORBIDDEN = 403


def call_event(stage: Stage) -> None:
    """Plan the event as it was planned, the day before it; the followers in the town knew of it."""
    from gridwright.jobs.programs.run_event import plan_event

    stage.boss.post("/v1/programs", PROGRAM)
    (response,) = stage.town.responses
    with stage.beside() as platform:
        planned = plan_event(
            platform.store,
            LOCAL_OWNER,
            program=PROGRAM["id"],
            period=stage.event,
            targets=response.points,
            now=stage.event.start - NOTICE,
        )
    stage.event_id = planned.id


def settle_event(stage: Stage) -> None:
    """Settle the event, hold the reduction against the truth, and find the payment on a bill."""
    stage.wait(
        "the event is over by the clock",
        lambda: stage.boss.get(f"/v1/events/{stage.event_id}")["state"] == "completed",
    )
    statement = stage.boss.post(f"/v1/events/{stage.event_id}/settle")["statement"]
    event = stage.boss.get(f"/v1/events/{stage.event_id}")
    rows = event["performances"]
    measured = sum(float(row["reduction_kwh"]) for row in rows)
    given, error = true_reduction(stage, [row["usage_point"] for row in rows])
    stage.check(
        "the event delivered what the town gave",
        PLAUSIBLE[0] < (measured - error) / given < PLAUSIBLE[1],
        f"{measured:.1f} kWh measured = {given:.1f} kWh given and {error:+.1f} kWh by the baseline, "
        f"{measured - error - given:+.1f} kWh open",
    )
    again = stage.boss.post(f"/v1/events/{stage.event_id}/settle")["statement"]
    stage.check("settled twice is settled once", again["statement_hash"] == statement["statement_hash"])
    # An issued bill of that month stays as it is: its payment would be on the next one, which is not due yet.
    open_rows = [row for row in rows if all(bill["state"] != "issued" for bill in bills_of(stage, row["usage_point"]))]
    best = max(open_rows, key=lambda row: float(row["payment"]))
    stage.as_user("carla").job("/v1/bills", {"period": this_month(stage), "points": [best["usage_point"]]})
    lines = [line for bill in bills_of(stage, best["usage_point"]) for line in bill["lines"]]
    paid = [line for line in lines if line["amount"] == f"-{best['payment']}"]
    stage.check(
        "the payment is a line of the bill", paid, f"{best['usage_point']}: {best['payment']} {best['currency']}"
    )


def true_reduction(stage: Stage, points: list[str]) -> tuple[float, float]:
    """Return kWh that meters counted less than had no event been called, and by how much the baseline misses that.

    A baseline compares an evening with other evenings; what it would have found without an event is its own error.
    """
    quiet = town_of(stage.town.period).truth.panel
    held, free = (panel.rows([panel.index(name) for name in points]) for panel in (stage.town.truth.panel, quiet))
    given = (free.between(stage.event).values - held.between(stage.event).values).sum() / 1000
    found = measure(free, stage.event, baseline_rule(RULE), zone=stage.town.town.zone)
    error = np.nansum(found.base_wh - found.actual_wh) / 1000
    return float(given), float(error)


def bills_of(stage: Stage, point: str) -> list[dict[str, Any]]:
    """Return the bills of a usage point that stand, with their lines."""
    carla = stage.as_user("carla")
    listed = carla.get(f"/v1/usage-points/{point}/bills")["items"]
    return [carla.get(f"/v1/bills/{bill['id']}") for bill in listed if bill["state"] != "cancelled"]


def see_losses(stage: Stage) -> None:
    """Balance the network, and find the street where energy goes past a meter."""
    panel = stage.town.town.panel
    until = panel.start + (stage.now - panel.start) // panel.interval * panel.interval
    since = until - timedelta(days=7)
    balance = stage.boss.get("/v1/grid/balance", **{"from": since.isoformat(), "to": until.isoformat()})
    (theft,) = stage.town.thefts
    site = next(site for site in stage.town.sites if site.usage_point == theft.usage_point)
    first = balance["hints"][:1]
    stage.check(
        "the street with the theft stands first", first == [site.transformer], ", ".join(balance["hints"]) or "none"
    )
    node = next(each for each in balance["nodes"] if each["node"] == site.transformer)
    at = stage.town.network.nodes.index(site.transformer)
    span = slice((since - panel.start) // panel.interval, (until - panel.start) // panel.interval)
    true = float((stage.town.network.lost_wh[at, span] + stage.town.network.stolen_wh[at, span]).sum()) / 1000
    near = abs(node["loss_kwh"] - true) <= max(node["uncertainty_kwh"], 0.5)
    stage.check(
        "its loss is the true one, within what the inputs allow",
        near,
        f"{node['loss_kwh']:.1f} kWh, true {true:.1f} kWh",
    )
    outages = stage.boss.get("/v1/grid/outages", **{"from": since.isoformat(), "to": until.isoformat()})["outages"]
    dark = [each["node"] for each in outages if each.get("node")]
    stage.check(
        "the outage of a street is one outage", stage.town.outages[0].transformer in dark, f"{len(outages)} listed"
    )


def switch(stage: Stage) -> None:
    """Disconnect a meter: anna asks, anna may not approve, boris approves, and the meter itself confirms."""
    point, meter = next(iter(stage.meters.items()))
    anna, boris = stage.as_user("anna"), stage.as_user("boris")
    asked = request(anna, point, "disconnect", "The tenant has moved out; the landlord has confirmed it.")
    own = anna.call("POST", f"/v1/controls/{asked['id']}/approve", b"{}")
    stage.check("who asks may not approve", refuses(own), own.status)
    stage.check("nothing has moved without approval", meter.relay is RelayState.CONNECTED, meter.relay)
    boris.post(f"/v1/controls/{asked['id']}/approve")
    done = ended(stage, asked["id"])
    stage.check("a second person approved, and the meter confirmed", done["state"] == "confirmed", done["evidence"])
    stage.check("the meter is disconnected indeed", meter.relay is RelayState.DISCONNECTED, meter.relay)
    back = request(boris, point, "reconnect", "A new tenant has moved in.")
    anna.post(f"/v1/controls/{back['id']}/approve")
    again = ended(stage, back["id"])
    stage.check(
        "and reconnected", again["state"] == "confirmed" and meter.relay is not RelayState.DISCONNECTED, meter.relay
    )
    left = request(anna, list(stage.meters)[1], "disconnect", "Non-payment; the third reminder was sent on 2 November.")
    stage.check("one more request waits for boris in the console", left["state"] == "requested", left["id"])
    records = stage.boss.get("/v1/audit/verify")["records"]
    stage.check("the audit chain is unbroken", records, f"{records:,} records")


def request(who: Client, point: str, command: str, reason: str) -> dict[str, Any]:
    """Ask for a control that may be carried out within the hour."""
    expires = (clock() + timedelta(hours=1)).isoformat()
    asked: dict[str, Any] = who.post(
        "/v1/controls", {"usage_point": point, "command": command, "reason": reason, "expires": expires}
    )
    return asked


def refuses(answer: Answer) -> bool:
    """Tell whether the server refused."""
    return answer.status >= 400  # noqa: PLR2004 - a refusal is any client error


def ended(stage: Stage, name: str) -> dict[str, Any]:
    """Wait until a control has come to its end, and return it."""
    control: dict[str, Any] = {}

    def over() -> bool:
        control.update(stage.boss.get(f"/v1/controls/{name}"))
        return control["state"] in FINAL

    try:
        stage.wait("the meter confirms", over)
    except GridwrightError:
        return control
    return control
