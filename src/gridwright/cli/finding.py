"""`gridwright finding`: the work list of validation, and what a person decides about it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.control import Key, Yes, acting
from gridwright.cli.finding_effect import plain_effect, say_carried, say_effects, say_waiting
from gridwright.cli.options import Json, Sought, with_findings
from gridwright.cli.output import print_json, print_table, say
from gridwright.domain.errors import InputError, NotFound, UsageError
from gridwright.domain.interval import parse_period, zone_of

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.jobs.meters.accept_findings import Decided
    from gridwright.store import FindingFilter
    from gridwright.store.findings import StoredFinding

app = typer.Typer(help="Doubts of validation: listed, accepted, given to somebody, opened again.", no_args_is_help=True)
SHOWN = 10
ACCEPT, OPEN = ("Accept", "accepted"), ("Open again", "open again")
MINUTE = "%Y-%m-%dT%H:%M:%SZ"
Ids = Annotated[
    list[int] | None, typer.Argument(metavar="[ID...]", help="Numbers, as the list shows them; or options that narrow.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays in the audit chain.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show which they are, decide nothing.")]
Act = Callable[["Platform", list[int], bool], "Decided"]


@app.command("list", epilog="Example: gridwright finding list --code V17_stuck --period 2025-03")
@with_findings
def list_(
    *,
    sought: Sought,
    resolved: Annotated[bool, typer.Option("--resolved", help="Those that are resolved too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 50,
    after: Annotated[int, typer.Option("--after", min=0, help="Go on behind this number.")] = 0,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """List findings in the order in which they came up."""
    wired = acting(key)
    rows = wired.store.findings.page(wired.access, described(wired, sought, resolved), limit=limit + 1, after=after)
    found, following = rows[:limit], rows[limit - 1].id if len(rows) > limit else None
    if as_json:
        print_json({"findings": [plain(each) for each in found], "next": following})
        return
    if not found:
        say("No finding: nothing that was asked for is in doubt.")
        return
    tell(found)
    if following is not None:
        say(f"There are more: --after {following}")


@app.command(epilog="Example: gridwright finding show 12 --json")
def show(
    *,
    number: Annotated[int, typer.Argument(metavar="ID", min=1, help="Its number, as the list shows it.")],
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Show one finding, what to do about it, and what became of it."""
    from gridwright.store import FindingFilter
    from gridwright.vee.remedies import what_to_do

    wired = acting(key)
    found = wired.store.findings.page(wired.access, FindingFilter(resolved=True), limit=1, after=number - 1)
    if not found or found[0].id != number:
        raise NotFound(f"finding {number} does not exist", remedy="gridwright finding list shows which do")
    facts = {**plain(found[0]), "what_to_do": what_to_do(found[0].finding.code)}
    if as_json:
        print_json(facts)
        return
    print_table(("what", ""), [(name, "" if value is None else str(value)) for name, value in facts.items()])


@app.command(epilog="Example: gridwright finding resolve --code V17_stuck --period 2025-03 --reason 'cold stores'")
@with_findings
def resolve(
    *,
    ids: Ids = None,
    sought: Sought,
    reason: Reason,
    dry_run: DryRun = False,
    yes: Yes = False,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Accept the values that findings doubt, all or none: rejected ones count again, much energy by two people."""

    def act(wired: Platform, chosen: list[int], dry_run: bool) -> Decided:
        from gridwright.app.live import deciding
        from gridwright.jobs.meters.accept_findings import accept_findings, preview_acceptance

        if dry_run:
            return preview_acceptance(wired.store, wired.access, chosen, by=deciding(wired))
        return accept_findings(wired.store, wired.access, chosen, reason=reason, by=deciding(wired))

    _decide(acting(key), (ids, sought), act, dry_run=dry_run, yes=yes, as_json=as_json, words=ACCEPT)


@app.command(epilog="Example: gridwright finding reopen 12 13 --reason 'the customer was at home after all'")
@with_findings
def reopen(
    *,
    ids: Ids = None,
    sought: Sought,
    reason: Reason,
    dry_run: DryRun = False,
    yes: Yes = False,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Take an acceptance, or the proposal of one, back; what resolved itself stays resolved."""

    def act(wired: Platform, chosen: list[int], dry_run: bool) -> Decided:
        from gridwright.app.live import deciding
        from gridwright.jobs.meters.accept_findings import preview_reopening, reopen_findings

        if dry_run:
            return preview_reopening(wired.store, wired.access, chosen, by=deciding(wired))
        return reopen_findings(wired.store, wired.access, chosen, reason=reason, by=deciding(wired))

    how = {"dry_run": dry_run, "yes": yes, "as_json": as_json}
    _decide(acting(key), (ids, sought), act, words=OPEN, resolved=True, **how)


@app.command(epilog="Example: gridwright finding assign --to ann --severity fail --unassigned")
@with_findings
def assign(
    *,
    ids: Ids = None,
    sought: Sought,
    person: Annotated[str, typer.Option("--to", help="Which user is to decide; '' is nobody.")],
    dry_run: DryRun = False,
    yes: Yes = False,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Give findings to a user who may decide about them; where there are no users any name is taken."""

    def act(wired: Platform, chosen: list[int], dry_run: bool) -> Decided:
        from gridwright.jobs.meters.accept_findings import Decided
        from gridwright.store.deciding import require_decider

        able = wired.store.findings.deciders(wired.access, chosen)
        require_decider(person.strip(), able)
        if person.strip() and not able and not as_json:
            say("There are no users here (gridwright user add), so that any name is taken.")
        if dry_run:
            there = wired.store.findings.these(wired.access, chosen)
            return Decided(sum(each.resolved_at is None for each in there))
        return Decided(wired.store.findings.assign(wired.access, chosen, person, now=wired.clock()))

    whom = person.strip() or "nobody"
    words = (f"Give to {whom}", f"given to {whom}")
    _decide(acting(key), (ids, sought), act, dry_run=dry_run, yes=yes, as_json=as_json, words=words)


def _decide(
    wired: Platform,
    which: tuple[list[int] | None, Sought],
    act: Act,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    words: tuple[str, str],
    resolved: bool = False,
) -> None:
    """Show which findings are meant, confirm on a terminal, decide about all of them, and tell how many."""
    chosen = _chosen(wired, *which, resolved=resolved)
    if not as_json and not which[0]:
        _tell_first(wired, chosen, described(wired, which[1], resolved))
    if chosen and not dry_run and not yes and not as_json and sys.stdin.isatty():
        typer.confirm(f"{words[0]}: {len(chosen)} findings?", abort=True, err=True)
    if not chosen:
        _tell_nothing(dry_run=dry_run, as_json=as_json)
        return
    done = act(wired, chosen, dry_run)
    if as_json:
        told = {"chosen": len(chosen), "findings": done.findings, "waiting": done.waiting, "dry_run": dry_run}
        print_json({**told, "effects": [plain_effect(each) for each in done.effects]})
        return
    if dry_run:
        would = f"{done.findings} of {len(chosen)} findings would be {words[1]}"
        say(f"Dry run: {would}, nothing was recorded.")
    else:
        say(f"{done.findings} of {len(chosen)} findings {words[1]}.")
    say_effects(done.effects, back=resolved)
    if done.findings and (done.effects or resolved):
        say_carried()
    if done.waiting:
        say_waiting(wired, done.waiting)


def _tell_nothing(*, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({"chosen": 0, "findings": 0, "waiting": 0, "dry_run": dry_run, "effects": []})
    else:
        say("No finding fits: nothing was decided.")


def _chosen(wired: Platform, ids: list[int] | None, sought: Sought, *, resolved: bool) -> list[int]:
    where = described(wired, sought, resolved)
    if bool(ids) == where.narrows:
        raise UsageError(
            "say which findings: either their numbers, or options that narrow them",
            remedy="for example gridwright finding resolve 12 13, or --code V17_stuck --period 2025-03",
        )
    return sorted(set(ids)) if ids else wired.store.findings.ids(wired.access, where)


def _tell_first(wired: Platform, chosen: list[int], where: FindingFilter) -> None:
    tell(wired.store.findings.page(wired.access, where, limit=SHOWN))
    if len(chosen) > SHOWN:
        say(f"… and {len(chosen) - SHOWN} more")


def described(wired: Platform, sought: Sought, resolved: bool) -> FindingFilter:
    """Return which findings are meant; a period is in the usage point's zone, or the site's where none is named."""
    from gridwright.store import FindingFilter
    from gridwright.vee.remedies import check_code

    if sought.code:
        check_code(sought.code)
    if sought.unassigned and sought.assigned_to:
        raise InputError("--unassigned and --assigned-to exclude each other", remedy="give one of them")
    zone = wired.store.registry.point(wired.access, sought.point).zone if sought.point else wired.settings.site.zone
    return FindingFilter(
        sought.point or None,
        sought.severity,
        sought.code or None,
        parse_period(sought.period, zone_of(zone)) if sought.period else None,
        "" if sought.unassigned else sought.assigned_to or None,
        resolved,
        sought.proposed,
    )


def plain(each: StoredFinding) -> dict[str, Any]:
    """Return a finding as a JSON object."""
    return {
        "id": each.id,
        **each.finding.to_dict(),
        "known_at": each.known_at,
        "assigned_to": each.assigned_to,
        "resolved_at": each.resolved_at,
        "resolved_by": each.resolved_by,
        "resolution": each.resolution,
        "proposed_by": each.proposed_by,
        "proposal": each.proposal,
    }


def tell(found: list[StoredFinding]) -> None:
    """Print findings as a table."""
    print_table(
        ("id", "usage point", "rule", "severity", "channel", "from", "to", "slots", "given to", "state", "what"),
        [
            (
                str(each.id),
                each.finding.usage_point,
                each.finding.code,
                str(each.finding.severity),
                each.finding.reading_type.channel,
                f"{each.finding.period.start:{MINUTE}}",
                f"{each.finding.period.end:{MINUTE}}",
                str(each.finding.slots or ""),
                each.assigned_to,
                _state(each),
                each.finding.message,
            )
            for each in found
        ],
    )


def _state(each: StoredFinding) -> str:
    if each.resolved_at is None:
        return f"proposed by {each.proposed_by}" if each.proposed_by else "open"
    return f"accepted by {each.resolved_by}" if each.resolved_by else "no longer there"
