"""`gridwright edit`: put agreed values in place of readings, approve what others propose, and take it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.control import acting
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say
from gridwright.domain.edit import EditState
from gridwright.domain.errors import InputError, NotFound
from gridwright.domain.reading_type import DELIVERED_ENERGY, from_code
from gridwright.domain.written_number import read_number

if TYPE_CHECKING:
    from datetime import datetime

    from gridwright.app import Platform
    from gridwright.domain.edit import Edit

app = typer.Typer(help="Edits of readings: agreed values, with a reason and a second person.", no_args_is_help=True)
Key = Annotated[
    str,
    typer.Option("--key", envvar="GRIDWRIGHT_KEY", help="API key of the person who acts (default: the owner)."),
]
EditId = Annotated[str, typer.Argument(help="The edit's id, such as E-06616c11ec…; its beginning will do.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays in the audit chain.")]
PREFIX, SHOWN = "E-", 5
MINUTE = "%Y-%m-%dT%H:%M:%SZ"


@app.command(epilog="Example: gridwright edit propose UP-1042 --period 2026-03-01 --total 12.5 --reason 'display read'")
def propose(
    *,
    point: Annotated[str, typer.Argument(help="The usage point.")],
    period: Annotated[str, typer.Option("--period", help="2026-03-01, 2026-03 or FROM/TO, in the point's own zone.")],
    reason: Reason,
    total: Annotated[str, typer.Option("--total", help="kWh of the whole period, in the shape of what is there.")] = "",
    values: Annotated[
        Path | None, typer.Option("--values", help="File with one value an interval: kWh, kW, V …; - is stdin.")
    ] = None,
    evidence: Annotated[str, typer.Option("--evidence", help="Where the proof is: a letter, a ticket.")] = "",
    reading_type: Annotated[str, typer.Option("--type", help="Code of the reading type.")] = DELIVERED_ENERGY.code,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would change, record nothing.")] = False,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Put an edit on record; a small one counts at once, any other waits for a second person."""
    from gridwright.app.live import edit_policy
    from gridwright.domain.interval import exact_period
    from gridwright.jobs.meters.edit_readings import EditWish, counts_at_once, draft_edit, propose_edit

    wired = acting(key)
    whole = exact_period(period, wired.store.registry.point(wired.access, point).tz)
    listed = None if values is None else read_values(values)
    wish = EditWish(
        point, whole, reason, listed, read_number(total, "--total", signed=True), evidence, from_code(reading_type)
    )
    policy = edit_policy(wired)
    if dry_run:
        drawn = draft_edit(wired.store, wired.access, wish, now=wired.clock())
        at_once = counts_at_once(wired.store, wired.access, drawn, policy=policy)
        would = "" if at_once else policy.why_not_alone(drawn)
        tell_dry(drawn, would, as_json=as_json)
        return
    made = propose_edit(wired.store, wired.access, wish, policy=policy, now=wired.clock())
    tell(made, as_json=as_json)
    if made.state is EditState.PROPOSED and not as_json:
        say(f"It {policy.why_not_alone(made)}.")
        say("A second person lets it go:")
        say(f"  gridwright edit approve {made.id} --key KEY")


def read_values(path: Path) -> list[float]:
    """Return the numbers of a file, apart from each other by blanks or line ends."""
    text = typer.get_text_stream("stdin").read() if str(path) == "-" else path.read_text(encoding="utf-8-sig")
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        for word in line.replace(";", " ").split():
            try:
                found.append(float(word))
            except ValueError:
                raise InputError(
                    f"{word!r} is no number", where=f"{path} line {number}", remedy="one value an interval"
                ) from None
    return found


@app.command(name="list", epilog="Example: gridwright edit list --state proposed")
def list_edits(
    *,
    point: Annotated[str, typer.Option("--usage-point", help="Only those of this usage point.")] = "",
    state: Annotated[list[EditState] | None, typer.Option("--state", help="Only in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 20,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """List edits, the newest first."""
    wired = acting(key)
    found = wired.store.edits.find(wired.access, point=point or None, states=state or (), limit=limit)
    if as_json:
        print_json({"edits": [plain(each) for each in found]})
        return
    if not found:
        say("No edit: gridwright edit propose --help tells how one is made.")
    print_table(
        ("edit", "usage point", "from", "to", "state", "moves", "author", "approved by", "stopped by", "reason"),
        [
            (
                each.id,
                each.usage_point,
                f"{each.period.start:{MINUTE}}",
                f"{each.period.end:{MINUTE}}",
                each.state,
                moved(each),
                signed(each.author, each.created),
                signed(each.approved_by, each.approved),
                "" if each.state is EditState.APPLIED else signed(each.decided_by, each.decided),
                each.reason,
            )
            for each in found
        ],
    )


@app.command(epilog="Example: gridwright edit show E-06616c11ec --json")
def show(*, edit_id: EditId, key: Key = "", as_json: Json = False) -> None:
    """Show one edit, interval by interval."""
    from gridwright.jobs.meters.edit_readings import per_unit

    wired = acting(key)
    found = wired.store.edits.edit(wired.access, whole_id(wired, edit_id))
    unit = per_unit(found.reading_type)
    before = [None if value is None else value / unit for value in found.before]
    after = [value / unit for value in found.values]
    if as_json:
        print_json({**plain(found), "before": before, "values": after})
        return
    tell(found, as_json=False)
    print_table(
        ("interval", "stood there", "in its place"),
        [
            (f"{found.period.start + found.interval * slot:{MINUTE}}", "" if old is None else f"{old:g}", f"{new:g}")
            for slot, (old, new) in enumerate(zip(before, after, strict=True))
        ],
    )


@app.command(epilog="Example: gridwright edit approve E-06616c11ec --key KEY")
def approve(
    *,
    edit_id: EditId,
    note: Annotated[str, typer.Option("--note", help="What makes it right.")] = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Let a proposed edit go, as another person than the one who made it."""
    from gridwright.jobs.meters.edit_readings import approve_edit

    wired = acting(key)
    tell(
        approve_edit(wired.store, wired.access, whole_id(wired, edit_id), now=wired.clock(), note=note), as_json=as_json
    )


@app.command(epilog="Example: gridwright edit reject E-06616c11ec --reason 'another meter is meant'")
def reject(*, edit_id: EditId, reason: Reason, key: Key = "", as_json: Json = False) -> None:
    """Stop an edit that waits."""
    from gridwright.jobs.meters.edit_readings import reject_edit

    wired = acting(key)
    tell(
        reject_edit(wired.store, wired.access, whole_id(wired, edit_id), reason=reason, now=wired.clock()),
        as_json=as_json,
    )


@app.command(epilog="Example: gridwright edit withdraw E-06616c11ec --reason 'the display was misread'")
def withdraw(*, edit_id: EditId, reason: Reason, key: Key = "", as_json: Json = False) -> None:
    """Take an edit back: the readings are again what they are without it."""
    from gridwright.jobs.meters.edit_readings import withdraw_edit

    wired = acting(key)
    tell(
        withdraw_edit(wired.store, wired.access, whole_id(wired, edit_id), reason=reason, now=wired.clock()),
        as_json=as_json,
    )


def whole_id(wired: Platform, start: str) -> str:
    """Return the id of the one edit that begins so; NotFound names those that come near."""
    edits, access = wired.store.edits, wired.access
    found = edits.begin_with(access, start, limit=SHOWN)
    if start in found or len(found) == 1:
        return start if start in found else found[0]
    near = found or edits.begin_with(access, start[: len(PREFIX) + 6], limit=SHOWN) or edits.begin_with(access, PREFIX)
    what = f"{len(found)} edits or more begin with {start!r}" if found else f"edit {start!r} does not exist"
    named = f"the nearest: {', '.join(near[:SHOWN])}" if near else "there is none yet"
    raise NotFound(what, remedy=f"{named}; gridwright edit list shows them")


def tell(found: Edit, *, as_json: bool) -> None:
    """Say what an edit is and where it stands."""
    if as_json:
        print_json(plain(found))
        return
    say(f"Edit {found.id} of {found.usage_point}, {found.period}: {len(found.values)} intervals, moves {moved(found)}")
    say(f"Made by {signed(found.author, found.created)}: {found.reason}")
    if found.approved_by and found.state is not EditState.APPLIED:
        say(f"Approved by {signed(found.approved_by, found.approved)}")
    by = f" by {signed(found.decided_by, found.decided)}" if found.decided_by else ""
    say(f"It is {found.state}{by}{f': {found.note}' if found.note else ''}")


def tell_dry(drawn: Edit, why_not: str, *, as_json: bool) -> None:
    """Say what an edit would be; `why_not`: it counts at once, the end of a sentence on it tells otherwise."""
    if as_json:
        print_json({**plain(drawn), "dry_run": True, "counts_at_once": not why_not})
        return
    say(f"An edit of {drawn.usage_point}, {drawn.period}: {len(drawn.values)} intervals, would move {moved(drawn)}.")
    say(f"It would wait for a second person: it {why_not}." if why_not else "It would count at once.")
    say("Dry run: nothing was recorded.")


def signed(name: str, at: datetime | None) -> str:
    """Write who took a step, and when."""
    return f"{name}, {at:{MINUTE}}" if name and at else name


def moved(found: Edit) -> str:
    """Write how much an edit changes."""
    from gridwright.vee.chunk import amount

    return amount(found.moved, found.reading_type)


def plain(found: Edit) -> dict[str, Any]:
    """Return an edit as a JSON object; energy in kWh."""
    from gridwright.jobs.meters.edit_readings import per_unit

    unit = per_unit(found.reading_type)
    return {
        "id": found.id,
        "usage_point": found.usage_point,
        "reading_type": found.reading_type.code,
        "from": found.period.start,
        "to": found.period.end,
        "interval_s": int(found.interval.total_seconds()),
        "intervals": len(found.values),
        "state": found.state,
        "author": found.author,
        "reason": found.reason,
        "evidence": found.evidence,
        "created": found.created,
        "decided_by": found.decided_by or None,
        "decided": found.decided,
        "approved_by": found.approved_by or None,
        "approved": found.approved,
        "withdrawn_by": found.withdrawn_by or None,
        "withdrawn": found.withdrawn,
        "note": found.note,
        "difference": found.difference / unit,
        "moved": found.moved / unit,
    }
