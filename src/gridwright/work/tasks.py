"""What the worker does, and how often."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gridwright.app import live
from gridwright.domain.access import Access, Role
from gridwright.work.ordered import run_ordered
from gridwright.work.worker import Facts, Lane, Task

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.jobs.field.execute_controls import Pace

# Who acts when nobody does: the audit chain names it.
SYSTEM = Access("gridwright", Role.ADMIN)
HOUR_S, DAY_S = 3600.0, 86_400.0


def lanes(platform: Platform) -> list[Lane]:
    """Return the lanes of a platform: its own thread for devices, so that a slow forecast never holds up a control."""
    mine, pace = platform.for_access(SYSTEM), platform.settings.work
    patience: Pace = {}
    return [
        Lane("controls", [Task("execute controls", pace.controls_every_s, lambda: execute(mine, patience))]),
        Lane("devices", [Task("collect reads", pace.collect_every_s, lambda: collect(mine))]),
        Lane(
            "data",
            [
                Task("ordered jobs", pace.jobs_every_s, lambda: run_ordered(mine)),
                Task("advance events", pace.events_every_s, lambda: advance(mine)),
                Task("correct", pace.validate_every_s, lambda: correct(mine)),
                Task("refresh outlooks", pace.outlooks_every_s, lambda: refresh(mine)),
                Task("tidy", HOUR_S, lambda: tidy(mine)),
            ],
        ),
        # A lane of its own: a month of a large town takes minutes. Each day, because a month may have to wait.
        Lane("archive", [Task("archive", DAY_S, lambda: archive(mine))]),
    ]


def execute(platform: Platform, patience: Pace) -> Facts:
    """Carry out approved controls."""
    return facts(live.execute_controls(platform, patience))


def collect(platform: Platform) -> Facts:
    """Read the devices that are due."""
    return facts(live.collect(platform))


def advance(platform: Platform) -> Facts:
    """Begin and end demand response events by the clock."""
    from gridwright.jobs.programs.run_event import advance_events

    return {"advanced": len(advance_events(platform.store, platform.access, platform.clock()))}


def correct(platform: Platform) -> Facts:
    """Carry what changed through to final readings, day totals and bills."""
    done = live.correct(platform)
    bills = {
        f"bills_{name}" if name in {"new", "replaced"} else name: value for name, value in facts(done.bills).items()
    }
    return {**facts(done.readings), **bills}


def refresh(platform: Platform) -> Facts:
    """Issue forecasts, plans and balances."""
    return facts(live.refresh_outlooks(platform))


def tidy(platform: Platform) -> Facts:
    """Drop what has done its service."""
    from gridwright.app.care import keep_policy as how_long
    from gridwright.jobs.upkeep.tidy_store import tidy_store

    return facts(tidy_store(platform.store, platform.access, now=platform.clock(), keep=how_long(platform)))


def archive(platform: Platform) -> Facts:
    """Let closed months go to the archive, and old ones out of the database, as the settings say."""
    from gridwright.app.care import archive_policy
    from gridwright.jobs.upkeep.archive_months import keep_policy

    policy = archive_policy(platform)
    if not policy.to:
        return {}
    done = keep_policy(platform.store, platform.access, policy, platform.clock())
    failed = {"failed": "; ".join(done.failed)} if done.failed else {}
    return {"written": len(done.written), "dropped": len(done.dropped), **failed}


def facts(summary: Any) -> Facts:  # noqa: ANN401 - any dataclass of counts
    """Return the fields of a summary that a log line can hold."""
    return {name: value for name, value in asdict(summary).items() if isinstance(value, int | float | str)}
