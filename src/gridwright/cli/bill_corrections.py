"""`gridwright bill correct`, `bill show` and `bill corrections`: what issued bills should have been."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import platform
from gridwright.cli.control import Key, acting
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, progress, save, say, tell
from gridwright.cli.source import Points
from gridwright.cli.withheld import Despite, plain_obstacles, say_obstacles, short
from gridwright.domain.interval import parse_instant, zone_of

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.domain.correction import Correction

app = typer.Typer(help="Credit and debit notes to issued bills.", no_args_is_help=True)
AsOf = Annotated[str, typer.Option("--as-of", help="As known at this instant, such as 2025-04-01T12:00.")]
Name = Annotated[str, typer.Argument(help="Id of a correction, as `bill corrections list` shows it.")]
Names = Annotated[list[str], typer.Argument(help="Ids of corrections, as `bill corrections list` shows them.")]
SHOWN = 1000


def register(bills: typer.Typer) -> None:
    """Add the commands to `gridwright bill`."""
    bills.command(epilog="Example: gridwright bill correct --dry-run")(correct)
    bills.command(epilog="Example: gridwright bill show UP-1042-2025-03-01-0a1b2c3d --as-of 2025-05-01")(show)
    bills.add_typer(app, name="corrections")


def correct(
    *,
    points: Points = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell of bills that wait; keep nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Carry changed readings through to the bills: drafts are made anew, issued bills get the draft of a note."""
    from gridwright.app.live import correct as cascade

    wired = platform(dry_run=dry_run)
    with progress("Correcting", quiet=as_json) as advance:
        done = cascade(wired, points, dry_run=dry_run, progress=advance)
    readings, bills = done.readings, done.bills
    if as_json:
        counts = ("ranges", "points", "new", "readings", "days", "waiting", "failed")
        print_json(
            {
                "readings": {name: getattr(readings, name) for name in counts},
                "bills": {name: getattr(bills, name) for name in ("changes", "bills", "drafts", "new", "replaced")},
                "corrections": facts_of(wired, bills.corrections),
                "notes": [*readings.notes, *bills.notes],
                "dry_run": dry_run,
            }
        )
        return
    say(
        f"{readings.ranges} changed ranges: {readings.readings:,} final readings of {readings.days:,} days differ, "
        f"{readings.new} new findings."
    )
    for note in readings.notes:
        say(f"not judged: {note}")
    same = bills.bills - bills.drafts - bills.new
    told = f"{bills.drafts} drafts made anew, {bills.new} corrections new, {same} as before"
    say(f"{bills.bills} bills looked at again: {told}.")
    for note in bills.notes:
        say(note)
    tell_list(wired, bills.corrections)
    if dry_run:
        say("Dry run: nothing was kept, and changed readings that nobody judged yet are not looked at.")


def show(
    bill: Annotated[str, typer.Argument(help="Id of a bill, as `bill list` shows it.")],
    *,
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """Show a bill with its corrections, as they stand or as they stood then."""
    from gridwright.app.live import obstacles_of
    from gridwright.documents.bill_text import bill_text
    from gridwright.documents.correction_text import correction_text

    wired = platform()
    kept = wired.store.ledger.bill(wired.access, bill)
    at = instant(as_of, kept.bill.zone)
    kept = wired.store.ledger.bill(wired.access, bill, as_of=at)
    corrections = wired.store.corrections.of_bill(wired.access, bill, as_of=at)
    standing = [each for each in corrections if each.state == "issued"]
    withheld = obstacles_of(wired, kept.bill) if at is None else ()
    total = kept.bill.total + sum(each.total for each in standing)
    if as_json:
        facts = {**kept.bill.to_dict(), "number": kept.number, "issued_at": kept.issued_at}
        facts["obstacles"] = plain_obstacles(withheld)
        print_json({**facts, "corrections": [each.to_dict() for each in corrections], "total_corrected": f"{total:f}"})
        return
    number = f", number {kept.number}" if kept.number is not None else ""
    say(f"{kept.bill.state}{number}")
    tell(bill_text(kept.bill))
    say_obstacles(withheld)
    for each in corrections:
        tell(correction_text(each))
    if standing:
        say(f"With its corrections: {total:.2f} {kept.bill.currency}")


@app.command("list", epilog="Example: gridwright bill corrections list --state draft --json")
def list_(
    *,
    points: Points = None,
    state: Annotated[str, typer.Option("--state", help="draft, held, issued, cancelled or replaced.")] = "",
    as_json: Json = False,
) -> None:
    """List the corrections in the store; those that were replaced before they were issued only when asked for."""
    from gridwright.domain.correction import CorrectionState

    wired = platform()
    wanted = chosen_state(state) if state else None
    asked: list[str] | list[None] = points or [None]
    found = [each for name in asked for each in every(wired, name, wanted and CorrectionState(wanted))]
    if as_json:
        print_json(facts_of(wired, found))
        return
    tell_list(wired, found)


@app.command("show", epilog="Example: gridwright bill corrections show UP-1042-2025-03-01-0a1b2c3d-c4e5f6a7b")
def show_correction(
    correction: Name,
    *,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write it as a PDF to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Show what was billed, what is right, the difference line by line, and why."""
    from gridwright.app.live import obstacles_of_notes
    from gridwright.documents.correction_text import correction_text

    wired = platform()
    found = wired.store.corrections.correction(wired.access, correction)
    (withheld,) = obstacles_of_notes(wired, [found])
    if pdf is not None:
        from gridwright.documents.correction_pdf import correction_pdf

        save(pdf, correction_pdf(found))
    if as_json:
        print_json({**found.to_dict(), "obstacles": plain_obstacles(withheld), "pdf": pdf})
        return
    tell(correction_text(found))
    say_obstacles(withheld)


@app.command("issue", epilog="Example: gridwright bill corrections issue UP-1042-2025-03-01-0a1b2c3d-c4e5f6a7b")
def issue(corrections: Names, *, despite: Despite = "", key: Key = "", as_json: Json = False) -> None:
    """Issue drafts as credit or debit notes: each gets the next number of its series, and the difference is posted."""
    from gridwright.app.live import issue_note

    wired = acting(key)
    with wired.store.transaction():
        numbers = {name: issue_note(wired, name, despite) for name in corrections}
        kinds = {name: str(wired.store.corrections.correction(wired.access, name).kind) for name in corrections}
    if as_json:
        print_json(
            {"issued": [{"id": name, "kind": kinds[name], "number": number} for name, number in numbers.items()]}
        )
        return
    print_table(
        ("correction", "kind", "number"), [(name, kinds[name], str(number)) for name, number in numbers.items()]
    )


@app.command("cancel", epilog="Example: gridwright bill corrections cancel UP-1042-2025-03-01-0a1b2c3d-c4e5f6a7b")
def cancel(corrections: Names, *, key: Key = "", as_json: Json = False) -> None:
    """Cancel corrections; an issued one is taken back by a reversal, the last one of a bill first."""
    wired = acting(key)
    with wired.store.transaction():
        done = {name: wired.store.corrections.cancel(wired.access, name) for name in corrections}
    if as_json:
        print_json({"cancelled": done})
        return
    print_table(("correction", "cancelled"), [(name, "yes" if new else "was already") for name, new in done.items()])


def every(wired: Platform, point: str | None, state: Any) -> list[Correction]:  # noqa: ANN401 - a state or None
    """Return all corrections, page after page."""
    found: list[Correction] = []
    page = wired.store.corrections.page(wired.access, point=point, state=state, limit=SHOWN)
    while page:
        found += page
        after = page[-1].order
        page = wired.store.corrections.page(wired.access, point=point, state=state, limit=SHOWN, after=after)
    return found


def chosen_state(text: str) -> str:
    """Return the state that was named; another is an error with those there are."""
    from gridwright.domain.correction import CorrectionState
    from gridwright.domain.errors import UsageError

    known = [str(state) for state in CorrectionState]
    if text not in known:
        raise UsageError(f"{text!r} is no state of a correction", remedy=f"--state is one of: {', '.join(known)}")
    return text


def instant(text: str, zone: str) -> datetime | None:
    """Read an instant of `--as-of`; empty: None."""
    return parse_instant(text, zone_of(zone)) if text else None


def facts_of(wired: Platform, corrections: list[Correction]) -> list[dict[str, Any]]:
    """Return corrections as JSON objects, each with what withholds it."""
    from gridwright.app.live import obstacles_of_notes

    withheld = obstacles_of_notes(wired, corrections)
    return [
        {**each.to_dict(), "obstacles": plain_obstacles(found)}
        for each, found in zip(corrections, withheld, strict=True)
    ]


def tell_list(wired: Platform, corrections: list[Correction]) -> None:
    """Print one line a correction."""
    from gridwright.app.live import obstacles_of_notes

    print_table(
        ("correction", "kind", "number", "state", "withheld by", "bill", "kWh", "total"),
        [
            (
                each.id,
                str(each.kind),
                str(each.number or ""),
                str(each.state),
                short(found),
                each.bill,
                f"{each.energy_kwh:+.3f}",
                f"{each.total:+.2f} {each.currency}",
            )
            for each, found in zip(corrections, obstacles_of_notes(wired, corrections), strict=True)
        ],
    )
