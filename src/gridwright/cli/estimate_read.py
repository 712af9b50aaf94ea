"""`gridwright usage-point estimate-read`: registers that nobody read on a date are estimated (E09)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.control import Key, acting
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, say
from gridwright.domain.errors import UsageError

if TYPE_CHECKING:
    from datetime import date

    from gridwright.jobs.meters.estimate_reads import EstimatedRead


def register(app: typer.Typer) -> None:
    """Add the command to those of usage points."""
    app.command("estimate-read", epilog="Example: gridwright usage-point estimate-read --all-missing --on 2026-11-01")(
        estimate_read
    )


def estimate_read(
    *,
    points: Annotated[
        list[str] | None, typer.Argument(metavar="[USAGE_POINT...]", help="One usage point or several.")
    ] = None,
    on: Annotated[str, typer.Option("--on", metavar="DATE", help="The reading date: as this civil day begins.")],
    all_missing: Annotated[
        bool, typer.Option("--all-missing", help="Every usage point whose registers were not read on that day.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the estimates, record nothing.")] = False,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Estimate registers that nobody read on a date, marked as estimates, until they are read."""
    from gridwright.jobs.meters.estimate_reads import estimate_reads

    if bool(points) == all_missing:
        raise UsageError("no usage point is named, or all and some", remedy="name usage points, or give --all-missing")
    wired = acting(key)
    day = _day(on)
    names = None if all_missing else points
    found = estimate_reads(wired.store, wired.access, day, names, now=wired.clock(), dry_run=dry_run)
    if as_json:
        print_json({"on": day.isoformat(), "dry_run": dry_run, "registers": [plain(each) for each in found]})
        return
    for each in found:
        say(_said(each))
    new = sum(each.new for each in found)
    left = sum(each.read is None for each in found)
    say(f"{new} estimated, {len(found) - new - left} as before, {left} not.")
    if dry_run:
        say("Dry run: nothing was recorded.")


def _day(text: str) -> date:
    from datetime import date

    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(f"--on: {text!r} is no date", remedy="write it like 2026-11-01") from error


def plain(each: EstimatedRead) -> dict[str, Any]:
    """Return what became of one register, as JSON tells it."""
    return {
        "usage_point": each.usage_point,
        "reading_type": each.reading_type.code,
        "at": each.at.isoformat(),
        "kwh": None if each.read is None else each.read.value * each.reading_type.resolution / 1000,
        "end_device": "" if each.read is None else each.read.end_device,
        "new": each.new,
        "why": each.why,
    }


def _said(each: EstimatedRead) -> str:
    told, flow = plain(each), each.reading_type.flow
    if each.read is None:
        return f"{each.usage_point}: the {flow} register is not estimated: {each.why}."
    kept = "" if each.new else ", as before"
    return f"{each.usage_point}: the {flow} register at {told['at']}: {told['kwh']:,.3f} kWh, an estimate (E09){kept}."
