"""`gridwright vee history`: by which rules readings were judged, and from when to when."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say
from gridwright.domain.interval import parse_instant, zone_of

if TYPE_CHECKING:
    from gridwright.jobs.cascade.rule_history import RuleStep

MINUTE = "%Y-%m-%dT%H:%M:%SZ"
SHOWN = 20  # differences
PACKAGED, UNKNOWN = "packaged", "not recorded"


def register(app: typer.Typer) -> None:
    """Add the command to `gridwright vee`."""
    app.command("history", epilog="Example: gridwright vee history --at 2026-03-01T12:00")(history)


def history(
    *,
    at: Annotated[str, typer.Option("--at", help="Only those in force at this instant, with all their groups.")] = "",
    as_json: Json = False,
) -> None:
    """Show which rules were in force from when to when; whatever was judged then was judged by them."""
    from gridwright.jobs.cascade.adopt_rules import rules_then
    from gridwright.jobs.cascade.rule_history import rule_history

    wired = platform()
    steps = rule_history(wired.store, wired.access)[::-1]
    if at:
        moment = parse_instant(at, zone_of(wired.settings.site.zone))
        found = rules_then(wired.store, wired.access, moment)
        content = json.loads(wired.store.rule_sets.content(wired.access, found.digest).text)
        (step,) = (each for each in steps if each.period == found)
        shown = {**plain(step), "groups": content["groups"], "estimation": content["estimation"]}
        print_json(shown) if as_json else tell([step])
        return
    if as_json:
        print_json({"rule_sets": [plain(each) for each in steps]})
        return
    tell(steps)


def plain(step: RuleStep) -> dict[str, Any]:
    """Return rules that came into force as a JSON object."""
    period = step.period
    return {
        "digest": period.digest,
        "version": period.version,
        "source": period.source,
        "from": period.since,
        "to": period.until,
        "by": step.by,
        "changes": None if step.changes is None else [each.to_dict() for each in step.changes],
        "note": step.note,
    }


def tell(steps: list[RuleStep]) -> None:
    """Write periods as a table, what the last ones changed, and what is doubtful about their versions below it."""
    if not steps:
        say("No rules were in force yet: gridwright bill correct adopts those of the settings.")
        return
    rows = [plain(each) for each in steps]
    print_table(
        ("from", "to", "version", "digest", "source", "by", "differences"),
        [
            (
                f"{row['from']:{MINUTE}}",
                f"{row['to']:{MINUTE}}" if row["to"] else "",
                row["version"],
                row["digest"],
                UNKNOWN if row["source"] is None else row["source"] or PACKAGED,
                row["by"] or UNKNOWN,
                "" if row["changes"] is None else str(len(row["changes"])),
            )
            for row in rows
        ],
    )
    for change in (steps[-1].changes or ())[:SHOWN]:
        say(f"{change.group}: {change}")
    for note in dict.fromkeys(row["note"] for row in rows if row["note"]):
        say(f"note: {note}")
