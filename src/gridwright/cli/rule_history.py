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
    from gridwright.store.rule_sets import RulePeriod

MINUTE = "%Y-%m-%dT%H:%M:%SZ"
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

    wired = platform()
    told = wired.store.rule_sets.history(wired.access)
    if at:
        moment = parse_instant(at, zone_of(wired.settings.site.zone))
        found = rules_then(wired.store, wired.access, moment)
        content = json.loads(wired.store.rule_sets.content(wired.access, found.digest).text)
        shown = {**plain(found, told), "groups": content["groups"], "estimation": content["estimation"]}
        print_json(shown) if as_json else tell([found], told)
        return
    if as_json:
        print_json({"rule_sets": [plain(each, told) for each in told]})
        return
    tell(told, told)


def plain(one: RulePeriod, told: list[RulePeriod]) -> dict[str, Any]:
    """Return a period as a JSON object."""
    from gridwright.jobs.cascade.adopt_rules import version_note

    return {
        "digest": one.digest,
        "version": one.version,
        "source": one.source,
        "from": one.since,
        "to": one.until,
        "note": version_note(told, one.digest, one.version, one.source),
    }


def tell(some: list[RulePeriod], told: list[RulePeriod]) -> None:
    """Write periods as a table, and what is doubtful about their versions below it."""
    if not some:
        say("No rules were in force yet: gridwright bill correct adopts those of the settings.")
        return
    rows = [plain(each, told) for each in some]
    print_table(
        ("from", "to", "version", "digest", "source"),
        [
            (
                f"{row['from']:{MINUTE}}",
                f"{row['to']:{MINUTE}}" if row["to"] else "",
                row["version"],
                row["digest"],
                UNKNOWN if row["source"] is None else row["source"] or PACKAGED,
            )
            for row in rows
        ],
    )
    for note in dict.fromkeys(row["note"] for row in rows if row["note"]):
        say(f"note: {note}")
