"""`gridwright retention`: what the settings let go, before it goes; and readings forgotten by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say
from gridwright.domain.errors import UsageError
from gridwright.domain.month import month_name

if TYPE_CHECKING:
    from gridwright.jobs.upkeep.forget_readings import OldMonth
    from gridwright.jobs.upkeep.tidy_store import Going

app = typer.Typer(help="What is older than it is kept, before it is deleted.", no_args_is_help=True)
MINUTE = "%Y-%m-%dT%H:%M:%SZ"


@app.command(epilog="Example: gridwright retention preview --json")
def preview(*, as_json: Json = False) -> None:
    """Show what the server would delete, by table and day, how many rows, and from when on; nothing is deleted."""
    from gridwright.app.care import keep_policy
    from gridwright.jobs.upkeep.tidy_store import preview_tidying

    wired = platform()
    now, keep = wired.clock(), keep_policy(wired)
    going = preview_tidying(wired.store, wired.access, now=now, keep=keep)
    kept = {
        "readings_months": wired.settings.retention.readings_months,
        "findings_days": wired.settings.retention.findings_days,
        "quarantine_days": wired.settings.retention.quarantine_days,
        "outlooks_days": wired.settings.work.keep_outlooks_days,
    }
    if as_json:
        print_json({"now": now, "kept": kept, "going": [asdict(one) for one in going]})
        return
    if not going:
        say("Nothing is older than it is kept.")
        return
    print_table(
        ("table", "day", "rows", "usage points", "goes"),
        [(*_what(one), str(one.rows), _points(one), _when(one.goes <= now, f"{one.goes:{MINUTE}}")) for one in going],
    )
    total = sum(one.rows for one in going)
    say(f"{total} rows; nothing was deleted. A running server looks once an hour.")


@app.command(epilog="Example: gridwright retention run --dry-run")
def run(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the months that would go.")] = False,
    as_json: Json = False,
) -> None:
    """Forget readings older than retention.readings_months now, without the week's notice; there is no way back."""
    from gridwright.jobs.upkeep.forget_readings import first_kept, forget_readings, old_months

    wired = platform()
    months = wired.settings.retention.readings_months
    if months is None:
        raise UsageError("readings are kept for ever", remedy="set retention.readings_months, 13 at least")
    before = first_kept(wired.clock(), months)
    if dry_run:
        _list(list(old_months(wired.store, wired.access, before=before)), before, as_json=as_json)
        return
    done = forget_readings(wired.store, wired.access, before=before)
    if as_json:
        print_json({"kept_from": month_name(before), **asdict(done)})
    else:
        for text in (*done.waiting, *done.failed):
            say(f"not forgotten: {text}")
        say(f"{len(done.months)} months forgotten: {done.readings} readings, {done.files} files of the archive.")
    if done.failed:
        raise typer.Exit(1)


def _list(old: list[OldMonth], before: int, *, as_json: bool) -> None:
    """Show what would be forgotten, month by month."""
    if as_json:
        rows = [{**asdict(one), "month": str(one)} for one in old]
        print_json({"kept_from": month_name(before), "months": rows})
        return
    print_table(
        ("month", "blocks", "in the archive alone", "usage points"),
        [(str(one), str(one.blocks), str(one.archived), str(one.usage_points)) for one in old],
    )
    say(f"{len(old)} months would be forgotten; nothing was deleted. Readings from {month_name(before)} on are kept.")


def _what(one: Going) -> tuple[str, str]:
    return one.table, f"{one.day:%Y-%m}" if one.usage_points is not None else str(one.day)


def _points(one: Going) -> str:
    return "" if one.usage_points is None else str(one.usage_points)


def _when(is_due: bool, at: str) -> str:
    return "with the next tidying" if is_due else f"from {at} on"
