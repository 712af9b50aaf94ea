"""The story in order, and what stays open after it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gridwright.cli.story import act, arrive, late, understand
from gridwright.cli.story.stage import Stage, clock


@dataclass(frozen=True, slots=True)
class Act:
    """One act: what it is called, and what happens."""

    title: str
    play: Callable[[Stage], None]


ACTS = (
    Act("The server opens its doors; users, meters and the network are registered", arrive.open_doors),
    Act("An event was called for the evening before: use less from 17 to 20 h", act.call_event),
    Act("Two months of readings arrive by HTTP, some late, some wrong", arrive.deliver),
    Act("A street's meters are commissioned and read over their own protocol", arrive.call_meters),
    Act("Every reading is validated", understand.trust),
    Act("Forecasts, and plans for the batteries", understand.look_ahead),
    Act("Bills for the last month", understand.bill),
    Act("Readings come late for a billed month: a credit note", late.correct_bill),
    Act("The event is settled, and paid on the bill", act.settle_event),
    Act("The network's losses, street by street", act.see_losses),
    Act("A meter is disconnected, with two persons and a proof, and reconnected", act.switch),
)


def play(stage: Stage) -> bool:
    """Play every act and tell whether all that was checked holds."""
    for number, each in enumerate(ACTS, 1):
        stage.say(f"{number:2}/{len(ACTS)} {each.title}")
        each.play(stage)
    return all(check.holds for check in stage.checks)


def live_on(stage: Stage, stop: threading.Event) -> threading.Thread:
    """Let the town live on: what its meters measure goes on arriving until `stop`."""
    from gridwright.simulate.delivery import Entrance, Pace, follow

    called = frozenset(arrive.called_points(stage.town))
    others = frozenset(stage.town.town.panel.points) - called
    step = stage.town.town.interval
    since = stage.town.period.start + (stage.now - stage.town.period.start) // step * step

    def deliver() -> None:
        with Entrance(stage.server.url, stage.keys["head-end"]) as entrance:
            follow(stage.town, entrance, since, Pace(clock), stop, points=others)

    thread = threading.Thread(target=deliver, name="town", daemon=True)
    thread.start()
    return thread


def to_click(stage: Stage) -> list[str]:
    """Say where to look in the console, and as whom."""
    url = stage.server.url
    people = {"anna": "operator", "boris": "operator, the second person", "carla": "biller", "dora": "customer"}
    meter = next(iter(stage.meters))
    return [
        f"{url}/  Today: load against forecast, late meters, losses, what waits for you",
        f"{url}/usage-points/{meter}  one usage point: timeline with quality, bills, controls",
        f"{url}/exceptions  what validation doubts, to decide with a reason; an unknown meter to claim",
        f"{url}/controls  anna's request waits for boris",
        f"{url}/my-energy  what dora sees of her own",
        *(f"sign in as {name:6} password {stage.passwords[name]}   ({role})" for name, role in people.items()),
    ]


def to_type(stage: Stage, run: str) -> list[str]:
    """Say what to type next."""
    data = stage.server.data
    return [
        f"{run} --data {data} control status",
        f"{run} --data {data} collect status",
        f"{run} --data {data} bill list",
        f"{run} --data {data} event show {stage.event_id}",
        f"{run} --data {data} audit verify",
        f"curl -H 'Authorization: Bearer {stage.boss.key}' {stage.server.url}/v1/status",
        f"{run} report {stage.out / 'town.csv'} --tariff residential-tou",
    ]


def as_document(stage: Stage) -> dict[str, Any]:
    """Return the story as the JSON document of `demo --json`."""
    return {
        "url": stage.server.url,
        "admin_key": stage.boss.key,
        "users": dict(stage.passwords),
        "holds": all(check.holds for check in stage.checks),
        "checks": [{"what": each.what, "holds": each.holds, "found": each.found} for each in stage.checks],
        "data": str(stage.server.data),
    }
