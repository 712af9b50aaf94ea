"""`gridwright bill`: make bills, and explain them line by line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli import bill_corrections
from gridwright.cli.context import as_typed, platform
from gridwright.cli.control import Key, acting
from gridwright.cli.options import Json, Site, with_reading, with_site
from gridwright.cli.output import print_json, print_table, save, say, tell
from gridwright.cli.source import File, Period, Points, Tariff, period_of, rows_of, site_of, usable
from gridwright.cli.withheld import Despite, tell_withheld
from gridwright.domain.errors import NotFound, UsageError
from gridwright.domain.interval import zone_of
from gridwright.formats.source import ReadOptions

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.domain.bill import Bill
    from gridwright.jobs.billing.run_billing import BillOrder, BillRun
    from gridwright.jobs.load.load_trusted import Usable

app = typer.Typer(help="Make bills, and explain them line by line.", no_args_is_help=True)
bill_corrections.register(app)


@app.command(epilog="Example: gridwright bill run town.csv --tariff residential-tou --period 2025-03 --pdf bills")
@with_site
@with_reading
def run(
    *,
    file: File = None,
    points: Points = None,
    period: Period = "",
    tariff: Tariff = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Folder for a PDF of each bill.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Keep no draft in the store.")] = False,
    despite: Despite = "",
    explain: Annotated[bool, typer.Option("--explain", help="Show for each line how it was made.")] = False,
    as_json: Json = False,
    reading: ReadOptions,
    site: Site,
) -> None:
    """Bill every civil month; bills of stored readings at your own rate card are kept as drafts."""
    from gridwright.jobs.billing.run_billing import BillOrder

    if file is not None and despite:
        raise UsageError("bills of a file are not kept, so that nothing withholds them", remedy="leave --despite out")
    wired = platform(dry_run=dry_run and file is None)
    if file is None:
        order = BillOrder(points, period, dry_run=dry_run, despite=despite)
        done = bill_store(wired, order, tariff, site)
    else:
        done = make_bills(wired, file, (points, period, tariff), reading, site)
    bills, notes = done.bills, done.notes
    paths = write_pdfs(bills, pdf) if pdf is not None else []
    if any(bill.example for bill in bills):
        notes.append("Example rate: nobody owes these bills, and none is kept. Give your own with --tariff.")
    elif file is not None:
        stored = as_typed(f"reading import {quote(str(file))}")
        notes.append(
            f"Bills of a file are shown; none is kept or issued. {stored} stores it, and bill run drafts them."
        )
    if as_json:
        facts = [explained(bill) if explain else bill.to_dict() for bill in bills]
        withheld = [each.to_dict() for each in done.withheld]
        print_json({"bills": facts, "pdf": paths, "kept": done.new, "withheld": withheld, "notes": notes})
        return
    for note in notes:
        say(note)
    print_bills(bills)
    if explain:
        tell_explained(bills)
    if done.new or done.same:
        say(f"Drafts kept: {done.new} new, {done.same} as before.")
    if done.issued:
        say(f"No draft, because a bill is issued already: {done.issued}.")
    tell_withheld(done.withheld, of_file=file is not None)


@app.command(epilog="Example: gridwright bill explain town.csv --usage-point UP-1042 --period 2025-03")
@with_site
@with_reading
def explain(
    *,
    source: Annotated[Path | None, typer.Argument(help="A meter file, or the id of a bill in the store.")] = None,
    points: Points = None,
    period: Period = "",
    tariff: Tariff = None,
    as_json: Json = False,
    reading: ReadOptions,
    site: Site,
) -> None:
    """Show for each line the quantity, the intervals it is made of, and the price."""
    wired = platform()
    if source is not None and not source.exists() and not source.suffix:
        bills = [wired.store.ledger.bill(wired.access, str(source)).bill]
    else:
        bills = make_bills(wired, source, (points, period, tariff), reading, site).bills
    if as_json:
        print_json([explained(bill) for bill in bills])
        return
    tell_explained(bills)


@app.command("list", epilog="Example: gridwright bill list --usage-point UP-1042")
def list_bills(
    *,
    points: Points = None,
    state: Annotated[str, typer.Option("--state", help="draft, issued or cancelled.")] = "",
    as_json: Json = False,
) -> None:
    """List the bills in the store: number, state, period and total."""
    wired = platform()
    asked: list[str] | list[None] = points or [None]
    kept = [each for name in asked for each in wired.store.ledger.bills(wired.access, name)]
    shown = [each for each in kept if not state or each.bill.state == state]
    if as_json:
        print_json([{**each.bill.to_dict(), "number": each.number, "issued_at": each.issued_at} for each in shown])
        return
    print_table(
        ("bill", "number", "state", "usage point", "from", "to", "total"),
        [
            (
                each.bill.id,
                str(each.number or ""),
                str(each.bill.state),
                each.bill.usage_point,
                *(
                    f"{at.astimezone(zone_of(each.bill.zone)):%Y-%m-%d}"
                    for at in (each.bill.period.start, each.bill.period.end)
                ),
                f"{each.bill.total:.2f} {each.bill.currency}",
            )
            for each in shown
        ],
    )


@app.command(epilog="Example: gridwright bill withheld --usage-point UP-1042 --json")
def withheld(*, points: Points = None, as_json: Json = False) -> None:
    """List the months that no bill is drafted for while their findings are open, and how each is resolved."""
    from gridwright.app.live import withheld_now

    found = withheld_now(platform(), points)
    if as_json:
        print_json({"withheld": [each.to_dict() for each in found]})
        return
    if not found:
        say("Nothing is withheld: no open finding stands in the way of a bill.")
    tell_withheld(found)


Bills = Annotated[list[str], typer.Argument(help="Ids of bills, as `bill list` shows them.")]


@app.command(epilog="Example: gridwright bill issue UP-1042-2025-03-01-0a1b2c3d")
def issue(bills: Bills, *, despite: Despite = "", key: Key = "", as_json: Json = False) -> None:
    """Give drafts their numbers and post them, all or none; an issued bill is never edited, only cancelled."""
    from gridwright.app.live import issue_bill

    wired = acting(key)
    with wired.store.transaction():
        numbers = {bill: issue_bill(wired, bill, despite) for bill in bills}
    if as_json:
        print_json({"issued": numbers})
        return
    print_table(("bill", "number"), [(bill, str(number)) for bill, number in numbers.items()])


@app.command(epilog="Example: gridwright bill cancel UP-1042-2025-03-01-0a1b2c3d")
def cancel(bills: Bills, *, key: Key = "", as_json: Json = False) -> None:
    """Cancel bills; an issued one is taken back by a credit note with a number of its own."""
    wired = acting(key)
    with wired.store.transaction():
        notes = {bill: wired.store.ledger.cancel(wired.access, bill) for bill in bills}
    if as_json:
        print_json({"cancelled": notes})
        return
    print_table(("bill", "credit note"), [(bill, str(number or "")) for bill, number in notes.items()])


def print_bills(bills: Sequence[Bill]) -> None:
    """Print bills as a table, one a line."""
    print_table(
        ("bill", "usage point", "from", "kWh", "estimated", "total"),
        [
            (
                bill.id,
                bill.usage_point,
                f"{bill.period.start.astimezone(zone_of(bill.zone)):%Y-%m-%d}",
                f"{bill.energy_kwh:.3f}",
                str(bill.estimated),
                f"{bill.total:.2f} {bill.currency}",
            )
            for bill in bills
        ],
    )


def explained(bill: Bill) -> dict[str, Any]:
    """Return a bill with the paragraphs that explain its lines."""
    from gridwright.billing import explain as paragraphs

    return {**bill.to_dict(), "explained": paragraphs(bill)}


def tell_explained(bills: list[Bill]) -> None:
    """Print for each line of each bill the quantity, the intervals and the price."""
    from gridwright.documents.bill_text import bill_text

    for bill in bills:
        tell(bill_text(bill))


Wanted = tuple[list[str] | None, str, str | None]


def make_bills(wired: Platform, file: Path | None, wanted: Wanted, reading: ReadOptions, site: Site) -> BillRun:
    """Bill what was asked for (usage points, period, tariff), and keep nothing; nothing at all to bill is NotFound."""
    from gridwright.jobs.billing.bill_months import bill_months
    from gridwright.jobs.billing.run_billing import BillRun

    points, period, tariff = wanted
    card, run = wired.rate_card(tariff), BillRun()
    for group in usable(wired, file, points, reading, site):
        for row in rows_of(group, points):
            point = group.points[row]
            done = bill_months(
                group.trusted.rows([row]),
                card,
                point,
                known_at=wired.clock(),
                received=group.received_of(row),
                period=period_of(period, point.zone),
            )
            made = done.bills if file is None else of_file(wired, done.bills, group, file, run)
            run.bills += made
            run.notes += done.notes
    run.notes = list(dict.fromkeys(run.notes))
    if not run.bills:
        reason = next(iter(run.notes), "there is nothing to bill")
        raise NotFound(reason, where=str(file or "store"), remedy="check --period and --tariff")
    return run


def of_file(wired: Platform, bills: Sequence[Bill], group: Usable, file: Path, run: BillRun) -> list[Bill]:
    """Return bills of a file as they may be shown, and put down what would withhold them."""
    from gridwright.app.live import bill_gate
    from gridwright.jobs.billing.of_file import bill_of_file
    from gridwright.jobs.cascade.trust_readings import Trusted

    findings = group.findings if isinstance(group, Trusted) else {}
    told = [bill_of_file(bill_gate(wired), bill, findings.get(bill.usage_point, ()), file) for bill in bills]
    run.withheld += [each for _, withheld in told for each in withheld]
    return [bill for bill, _ in told]


def bill_store(wired: Platform, order: BillOrder, tariff: str | None, site: Site) -> BillRun:
    """Bill what is stored, and keep the drafts; no bill at all is NotFound."""
    from gridwright.app.live import run_billing

    for name in order.points or ():
        period_of(order.period or "", wired.store.registry.point(wired.access, name).zone)
    run = run_billing(wired, order, tariff, site=site_of(wired, site))
    if not run.bills and not run.withheld:
        reason = next(iter(run.notes), "there is nothing to bill")
        raise NotFound(reason, where="store", remedy=run.remedy)
    if run.replaced:
        run.notes.append(f"{run.replaced} drafts were made anew, because their readings have changed.")
    return run


def write_pdfs(bills: list[Bill], folder: Path) -> list[Path]:
    """Write a PDF of each bill."""
    from gridwright.documents.bill_pdf import bill_pdf

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for bill in bills:
        path = folder / f"{''.join(c if c.isalnum() or c in '-_.' else '_' for c in bill.id)}.pdf"
        save(path, bill_pdf(bill))
        paths.append(path)
    return paths
