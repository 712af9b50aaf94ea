"""What people decided about readings, held against the audit chain: edits, acceptances, and the rules in force."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Row, select

from gridwright.domain.access import Act
from gridwright.domain.edit import Edit, EditState
from gridwright.domain.errors import GridwrightError
from gridwright.store import schema
from gridwright.store.checks.checks import Finder
from gridwright.store.checks.told import Told, naming, told
from gridwright.store.deciding import query_findings
from gridwright.store.edits import edit_query, record_of, to_edit
from gridwright.store.instant import from_us
from gridwright.store.names import every_type
from gridwright.store.rule_sets import SUBJECT
from gridwright.store.schema import audit_record as audit
from gridwright.store.schema.trust import edit as edit_table
from gridwright.store.schema.trust import rule_period, rule_set
from gridwright.store.session import Unit

RUN = re.compile(r"(\d+)(?:-(\d+))?")
DAMAGE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, GridwrightError)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the chain says of an edit: its first record and its last one."""

    first: Told
    last: Told


def check_told_edits(unit: Unit) -> Finder:
    """Each edit on record is there, and says who proposed and decided it, when, of which time, why and by how much."""
    finder = Finder("recorded edits")
    said: dict[str, _Said] = {}
    for each in told(unit, audit.c.act == str(Act.WRITE_READINGS), naming("edit")):
        code = each.detail.get("edit")
        if isinstance(code, str):
            said[code] = _Said(said[code].first if code in said else each, each)
    kinds = every_type(unit)
    for row in unit.connection.execute(edit_query().order_by(edit_table.c.id)):
        finder.looked_at += 1
        record = said.pop(row.code, None)
        try:
            found = to_edit(row, kinds)
        except DAMAGE as error:
            finder.fault(f"edit {row.code} of {row.point}: it cannot be read ({error})")
            continue
        for text in _of_edit(found, row, record):
            finder.fault(f"edit {row.code} of {row.point}: {text}")
    for code, record in said.items():
        what = f"{record.last.detail.get('state')} by {record.last.actor}"
        finder.fault(f"edit {code} of {record.last.subject}: the audit chain tells that it was {what}, and it is gone")
    return finder


def _of_edit(found: Edit, row: Row[Any], said: _Said | None) -> Iterator[str]:
    if int(found.difference) != row.difference:
        yield f"its difference is {row.difference} counts, its values add {found.difference:.0f}"
    if said is None:
        yield "no audit record tells of it"
        return
    last, now = said.last, {"author": found.author[:200], "usage point": found.usage_point, **record_of(found)}
    wanted: dict[str, Any] = {"author": said.first.actor, "usage point": last.subject, **last.detail}
    if found.state is not EditState.PROPOSED:
        now |= {"decided by": found.decided_by[:200], "decided at": row.decided_us}
        wanted |= {"decided by": last.actor, "decided at": last.at_us}
    for name, value in now.items():
        if name in wanted and value != wanted[name]:
            yield f"its {name} is {value!r}, by the audit chain {wanted[name]!r}"


def check_told_acceptances(unit: Unit) -> Finder:
    """Each finding that a person accepted is on record, by whom and why, and what is on record as accepted is."""
    finder = Finder("recorded acceptances")
    said: dict[int, Told] = {}
    for each in told(unit, audit.c.act == str(Act.WRITE_READINGS), naming("ids")):
        for number in _numbers(str(each.detail["ids"])):
            if "accepted" in each.detail:
                said[number] = each
            elif "reopened" in each.detail:
                said.pop(number, None)
    finding = schema.finding
    for row in unit.connection.execute(
        query_findings().where(finding.c.resolved_by.is_not(None)).order_by(finding.c.id)
    ):
        finder.looked_at += 1
        where, record = f"finding {row.id} ({row.code}) of {row.point}", said.pop(row.id, None)
        if record is None:
            finder.fault(f"{where}: it counts as accepted by {row.resolved_by}, and no audit record tells of it")
            continue
        now = (row.resolved_by, row.resolution, row.resolved_at_us)
        wanted = (record.actor, str(record.detail.get("reason", "")).strip(), record.at_us)
        if now != wanted:
            finder.fault(f"{where}: it was accepted by {_accepted(*now)}, by the audit chain by {_accepted(*wanted)}")
    for number, record in sorted(said.items()):
        finder.fault(f"finding {number}: by the audit chain {record.actor} accepted it, and it is not so, or gone")
    return finder


def _accepted(by: str, reason: str, at_us: int) -> str:
    return f"{by} on {from_us(at_us).isoformat()}: {reason}"


def _numbers(text: str) -> Iterator[int]:
    """Yield the ids that a record tells in short: `3, 7-12`."""
    for first, last in RUN.findall(text):
        yield from range(int(first), int(last or first) + 1)


def check_rules(unit: Unit, digest_of: Callable[[str], tuple[str, str]]) -> Finder:
    """Each set of rules has the digest and version that its text gives, and was in force when the record says."""
    finder = Finder("rules")
    for row in unit.connection.execute(select(rule_set).order_by(rule_set.c.known_at_us)):
        finder.looked_at += 1
        try:
            digest, version = digest_of(row.text)
        except DAMAGE as error:
            finder.fault(f"rules {row.digest}: their text cannot be read ({error})")
            continue
        if digest != row.digest:
            finder.fault(f"rules {row.digest}: their text gives the digest {digest}")
        elif version != row.version:
            finder.fault(f"rules {row.digest}: their version is {row.version!r}, by their text {version!r}")
    said = _turns(
        str(each.detail["rules"]) for each in told(unit, audit.c.subject == SUBJECT) if "rules" in each.detail
    )
    periods = unit.connection.execute(select(rule_period).order_by(rule_period.c.since_us))
    # Of a set from before there were records it is not known either from where it was read.
    held = _turns(row.digest for row in periods if row.source is not None or row.digest in said)
    if held != said:
        at = next((place for place, pair in enumerate(zip(held, said, strict=False)) if pair[0] != pair[1]), None)
        place = min(len(held), len(said)) if at is None else at
        now, then = (each[place] if place < len(each) else "none" for each in (held, said))
        finder.fault(f"the {place + 1}. rules in force are {now}, by the audit chain {then}")
    return finder


def _turns(digests: Iterable[str]) -> list[str]:
    """Return which rules followed which; the same under another version are the same."""
    return [digest for digest, _ in groupby(digests)]
