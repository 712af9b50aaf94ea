from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER, Access, Act, Role
from gridwright.domain.bill import Bill
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.domain.correction import Correction
from gridwright.domain.day_totals import no_totals
from gridwright.domain.device import DeviceLink, ReadSession
from gridwright.domain.edge import EdgeStream
from gridwright.domain.edit import Edit, EditState
from gridwright.domain.errors import AccessDenied
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.identity import User
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.job import Job
from gridwright.domain.panel import Panel
from gridwright.domain.program import Event, Program
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.domain.topology import Connection, Node, NodeKind, Topology
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.store import DirtyRange, FindingFilter, Progress, Store, StoredAnswer, open_store
from gridwright.store.days.appending import Newest
from gridwright.store.days.laying import Single
from gridwright.store.field.exchange_reads import WrittenRead
from gridwright.store.journal.journal import OrderedReadings
from gridwright.store.money.rerates import Rerate
from gridwright.store.rule_sets import StoredRules

NOW = datetime(2025, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
QUARTER = Interval(NOW, NOW + timedelta(minutes=15))
MONTH = Interval(NOW, NOW + timedelta(days=31))
PANEL = Panel(("hers",), NOW, timedelta(minutes=15), np.ones((1, 4)))
BILL = Bill("B1", "k", "hers", MONTH, "UTC", "flat", "EUR", (), "h", NOW)
EDIT = Edit("E-1", "hers", QUARTER, timedelta(minutes=15), (1.0,), (None,), "local", "agreed", NOW)
CORRECTION = Correction("B1-c1", "k2", "B1", 1, "k", replace(BILL, key="k3"), (), NOW)
FINDING = Finding("V17_stuck", "hers", MONTH, Severity.WARN, "stuck")
RANGE = DirtyRange("hers", DELIVERED_ENERGY, date(2025, 3, 1), date(2025, 3, 2), 1)
CONTROL = EndDeviceControl("C-1", "M1", Command.DISCONNECT, "debt", "local", LATER, usage_point="hers")
LINK = DeviceLink("M1", "iec62056-21", "tcp://127.0.0.1:1/M1")
JOB = Job("J-1", "bill-run", "local", NOW)
PROGRAM = Program("P", "Evening", "EUR", Decimal("0.50"))
EVENT = Event("E-1", "P", MONTH, ("hers",))
READ = RegisterReading("hers", NOW, 1.0)
COLUMNS = Readings(
    ("hers",),
    np.zeros(1, np.int32),
    np.array([epoch_s(NOW)]),
    np.ones(1),
    np.zeros(1, np.uint8),
    np.ones(1, np.int64),
    900,
)
ORDERED = OrderedReadings(
    DELIVERED_ENERGY, 900, 0, np.ones(1, np.int64), np.array([epoch_s(NOW)]), np.ones(1, np.int64)
)
ANN = Access("ann", Role.CUSTOMER, frozenset({"his"}))
NOBODY = Access("nobody", Role.VIEWER, frozenset())
# Arguments of each public method, about a usage point that the asker may not see.
CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "registry.save_points": (([UsagePoint("hers")],), {}),
    "registry.add_points": (([UsagePoint("hers")],), {}),
    "registry.points": ((["hers"],), {}),
    "registry.registered": (({"hers"},), {}),
    "registry.point": (("hers",), {}),
    "registry.page": ((), {}),
    "registry.meters": ((), {}),
    "registry.checked_by": (({"hers"},), {}),
    "registry.meter_points": ((NOW,), {}),
    "registry.save_meter": ((Meter("M1"),), {}),
    "registry.meter": (("M1",), {}),
    "registry.save_installation": ((install("hers", "M1", NOW),), {}),
    "registry.installations": (("hers",), {}),
    "registry.count": ((), {}),
    "registry.keys": ((), {}),
    "registry.save_meters": (([Meter("M1")],), {}),
    "registry.save_installations": (([install("hers", "M1", NOW)],), {}),
    "registry.installed": ((), {}),
    "registry.fingerprint": ((), {}),
    "registry.exchange_meter": ((install("hers", "M1", NOW),), {}),
    "registry.cancel_exchange": (("hers", NOW), {"reason": "another house"}),
    "exchange_reads.save": (([READ],), {"known_at": NOW}),
    "exchange_reads.move": (([(READ, 1)],), {"known_at": NOW}),
    "exchange_reads.take_out": (([READ],), {"known_at": NOW}),
    "exchange_reads.withdraw": (([READ],), {"known_at": NOW}),
    "exchange_reads.withdrawn": (("hers", "M1", NOW), {}),
    "exchange_reads.written": (("hers", NOW), {}),
    "exchange_reads.take_back": (([WrittenRead(READ)],), {"known_at": NOW}),
    "journal.waiting": ((), {}),
    "journal.put_aside": ((), {}),
    "journal.retry": (([1],), {}),
    "journal.drop": ((1, "worthless"), {}),
    "journal.accept": ((COLUMNS,), {}),
    "journal.accept_ordered": ((ORDERED,), {}),
    "retention.kept_from": ((), {}),
    "retention.months_of_readings": ((0,), {}),
    "retention.month_waits": ((24_000,), {}),
    "retention.points_of_month": ((24_000,), {}),
    "retention.move_limit": ((24_000,), {}),
    "retention.forget_month": ((24_000,), {}),
    "retention.forget_part": ((None, None), {"lost": False}),
    "checks.forgotten": ((), {}),
    "retention.forget_findings": ((), {"before": NOW}),
    "retention.old_findings": ((), {"before": NOW}),
    "retention.old_quarantine": ((), {"before": NOW}),
    "retention.forget_quarantine": ((), {"before": NOW}),
    "checks.journal": ((), {}),
    "checks.steady": ((), {}),
    "readings.save": ((PANEL,), {"known_at": NOW}),
    "readings.save_singles": ((DELIVERED_ENERGY, 900, [Single("hers", epoch_s(NOW), 1.0)]), {"known_at": NOW}),
    "readings.load": ((["hers"], MONTH), {}),
    "readings.series": (("hers",), {}),
    "readings.known_series": (("hers",), {}),
    "readings.freshness": ((), {}),
    "readings.freshness_counts": ((), {"late": NOW, "silent": NOW}),
    "readings.versions": (("hers", NOW.date()), {}),
    "registers.save": (([RegisterReading("hers", NOW, 1.0)],), {"known_at": NOW}),
    "registers.append": ((DELIVERED_REGISTER, [Newest("hers", epoch_s(NOW), 1.0)]), {"known_at": NOW}),
    "registers.neighbours": (({"hers": (NOW, NOW)}, DELIVERED_REGISTER), {}),
    "registers.load": (("hers", MONTH), {}),
    "registers.load_several": ((["hers"], MONTH), {}),
    "registers.load_each": (({"hers": MONTH},), {}),
    "registers.load_around": (({"hers": (NOW, NOW)}, DELIVERED_REGISTER, (1, 1)), {}),
    "registers.kinds": (("hers",), {}),
    "registers.extents": (("hers",), {}),
    "registers.superseded": ((["hers"], MONTH), {}),
    "findings.save": (([FINDING],), {"known_at": NOW}),
    "findings.load": ((["hers"],), {}),
    "findings.page": ((FindingFilter("hers"),), {}),
    "findings.open_of": ((["hers"], ["V30_sum"]), {}),
    "findings.ids": ((FindingFilter("hers"),), {}),
    "findings.reopen": (([1],), {"reason": "known better", "now": NOW}),
    "findings.assign": (([1], "bob"), {"now": NOW}),
    "findings.deciders": (([1],), {}),
    "findings.dealt_with": (([FINDING],), {"known_at": NOW}),
    "findings.hold": ((["hers"],), {}),
    "findings.resolve": (([1],), {"reason": "seen", "now": NOW}),
    "findings.propose": (([1],), {"reason": "seen", "now": NOW}),
    "findings.these": (([1],), {}),
    "findings.accepted": ((["hers"], MONTH), {}),
    "findings.moved_alone": ((["hers"], NOW), {}),
    "dirty.ranges": ((), {}),
    "dirty.totals": ((), {}),
    "dirty.count": ((1_000,), {}),
    "dirty.clear": (([RANGE],), {}),
    "dirty.touch": ((["hers"], DELIVERED_ENERGY, MONTH), {}),
    "dirty.again": ((["hers"], MONTH), {}),
    "edits.add": ((EDIT,), {}),
    "edits.edit": (("E-1",), {}),
    "edits.find": ((), {"point": "hers"}),
    "edits.begin_with": (("E-",), {}),
    "edits.applied": ((["hers"], MONTH), {}),
    "edits.withdrawn": ((["hers"], MONTH), {}),
    "edits.applied_alone": ((["hers"], NOW), {}),
    "edits.advance": ((EDIT, EDIT.to(EditState.APPLIED, by="local", now=NOW)), {}),
    "rerates.add": (([Rerate("hers", MONTH, "c", NOW)],), {}),
    "rerates.pending": ((), {}),
    "rerates.claim": (("hers",), {}),
    "rerates.hold": (("hers",), {}),
    "rerates.clear": (([],), {}),
    "day_totals.save": ((no_totals(["hers"], range(1), DELIVERED_ENERGY),), {"known_at": NOW}),
    "day_totals.load": ((["hers"], range(1)), {}),
    "day_totals.outlines": ((["hers"], range(1)), {}),
    "day_totals.are_measured": ((["hers"], range(1)), {}),
    "day_totals.reach": ((), {}),
    "day_totals.by_day": ((range(1),), {}),
    "ledger.save_bill": ((BILL,), {}),
    "ledger.bill": (("B1",), {}),
    "ledger.bills": (("hers",), {}),
    "ledger.page": ((), {"point": "hers"}),
    "ledger.issue": (("B1",), {}),
    "ledger.cancel": (("B1",), {}),
    "ledger.lines": (("B1",), {}),
    "ledger.balances": ((), {}),
    "rule_sets.save": ((StoredRules("d", "rules", "1", "{}", NOW),), {}),
    "rule_sets.history": ((), {}),
    "rule_sets.adopted_by": (([],), {}),
    "rule_sets.in_force": ((NOW,), {}),
    "rule_sets.content": (("d",), {}),
    "corrections.save": ((CORRECTION,), {}),
    "corrections.replace_open": (("B1",), {}),
    "corrections.correction": (("B1-c1",), {}),
    "corrections.of_bill": (("B1",), {}),
    "corrections.corrected": ((BILL,), {}),
    "corrections.page": ((), {"point": "hers"}),
    "corrections.issue": (("B1-c1",), {}),
    "corrections.cancel": (("B1-c1",), {}),
    "readings.extents": ((["hers"],), {}),
    "readings.final_states": ((["hers"], MONTH), {}),
    "readings.final_days": (("hers", MONTH), {}),
    "readings.image_types": ((), {}),
    "readings.resolutions": ((DELIVERED_ENERGY,), {}),
    "resolutions.differ": ((), {}),
    "resolutions.settle": ((["hers"],), {"known_at": NOW}),
    "readings.stretches": ((["hers"], QUARTER), {}),
    "imports.progress": (("ab" * 32,), {}),
    "imports.advance": ((Progress("ab" * 32, "x.csv", 1, 2),), {"known_at": NOW}),
    "imports.begin_again": (("ab" * 32,), {}),
    "audit.append": ((Act.ADMINISTER, "x"), {}),
    "backlogs.count": ((), {}),
    "backlogs.growth": ((), {}),
    "backlogs.clock": ((), {}),
    "checks.rows": ((), {}),
    "checks.blocks": ((), {}),
    "checks.totalled": ((), {}),
    "checks.money": ((), {}),
    "checks.documents": ((None,), {}),
    "checks.told": ((), {}),
    "checks.rules": ((None,), {}),
    "checks.states": ((), {}),
    "checks.links": ((), {}),
    "checks.file": ((), {}),
    "checks.sealed": ((), {}),
    "checks.archive": ((None,), {}),
    "checks.archived": ((None,), {}),
    "leases.find": (("archive",), {}),
    "leases.take": (("archive", "me"), {}),
    "leases.beat": ((None,), {}),
    "leases.release": ((None,), {}),
    "archive.parts": ((), {}),
    "archive.months": ((1,), {}),
    "archive.away": ((MONTH,), {}),
    "archive.require_readable": (((),), {}),
    "archive.write": ((None, None), {}),
    "archive.drop": ((None, None), {}),
    "archive.restore": ((None, None), {}),
    "archive.prune": ((None, None), {}),
    "archive.move": ((None, None, None), {}),
    "archive.lacking": ((1,), {}),
    "archive.wanted_back": ((), {}),
    "sealed.state": ((), {}),
    "sealed.require_key": ((), {}),
    "sealed.require_opens": ((), {}),
    "sealed.begin": ((), {}),
    "sealed.seal_some": ((), {}),
    "sealed.seal_answers": ((), {}),
    "sealed.rewrap": (("ab",), {}),
    "sealed.behind": (("ab",), {}),
    "sealed.hold": ((), {}),
    "journal.leave": ((), {}),
    "sealed.forget_others": (("ab", list), {}),
    "audit.records": ((), {}),
    "audit.verify": ((), {}),
    "identities.save_user": ((User("ann", Role.ADMIN),), {}),
    "identities.users": ((), {}),
    "identities.set_password": (("bob", "correct horse battery"), {}),
    "identities.create_key": (("ann",), {}),
    "identities.keys": ((), {}),
    "identities.revoke_key": (("00000000",), {}),
    "quarantine.save": (([QuarantinedReading("M9", NOW, 1.0)],), {"received": NOW}),
    "quarantine.save_series": (([],), {"received": NOW}),
    "quarantine.room": ((), {}),
    "waiting_events.room": ((), {}),
    "waiting_events.devices": ((), {}),
    "waiting_events.of": (("M9",), {}),
    "waiting_events.told": ((["M9"], Interval(NOW, NOW + timedelta(days=1)), ["3.26.0.47"]), {}),
    "waiting_events.claim": (("M9", "hers"), {}),
    "waiting_events.drop": (("M9",), {"reason": "none"}),
    "quarantine.meters": ((), {}),
    "quarantine.readings": (("M9",), {}),
    "quarantine.first_days": (("M9", Interval(NOW, NOW + timedelta(days=1))), {"most": 5}),
    "quarantine.waiting": (("M9",), {}),
    "quarantine.reaches": (("M9",), {}),
    "quarantine.meter": (("M9",), {}),
    "quarantine.claimed": (("M9",), {}),
    "quarantine.claim": (("M9",), {}),
    "quarantine.drop": (("M9",), {"reason": "a test bench"}),
    "controls.add": ((CONTROL,), {}),
    "controls.control": (("C-1",), {}),
    "controls.find": ((), {"point": "hers"}),
    "controls.advance": ((CONTROL, replace(CONTROL, state=ControlState.FAILED)), {"now": NOW}),
    "controls.steps": (("C-1",), {}),
    "devices.save_link": ((LINK,), {}),
    "devices.link": (("M1",), {}),
    "devices.hold": (("M1",), {}),
    "devices.links": ((), {}),
    "devices.set_secret": (("M1", b"sealed"), {}),
    "devices.secret": (("M1",), {}),
    "devices.save_events": (([EndDeviceEvent("M1", "3.26.0.216", NOW, NOW, "hers")],), {}),
    "devices.events": ((), {"point": "hers"}),
    "devices.note_session": ((ReadSession("M1", NOW, NOW),), {}),
    "devices.sessions": (("M1",), {}),
    "arrivals.of": ((["hers"], DELIVERED_ENERGY, [NOW.date()]), {}),
    "arrivals.earliest": ((["hers"], DELIVERED_ENERGY, [NOW.date()]), {}),
    "arrivals.superseded": ((["hers"], DELIVERED_ENERGY, [NOW.date()]), {}),
    "field.events": ((["hers"], MONTH, ["3.26.0.47"]), {}),
    "field.installations": ((["hers"],), {}),
    "field.meters": ((["hers"],), {}),
    "field.knows_meters": ((), {}),
    "field.drifts": ((["hers"], MONTH), {}),
    "field.switches": ((["hers"],), {}),
    "jobs.add": ((JOB,), {}),
    "jobs.job": (("J-1",), {}),
    "jobs.find": ((), {}),
    "jobs.claim": ((["bill-run"], NOW), {}),
    "jobs.save": ((JOB,), {}),
    "jobs.requeue_running": ((NOW,), {}),
    "programs.save_program": ((PROGRAM,), {}),
    "programs.program": (("P",), {}),
    "programs.programs": ((), {}),
    "programs.save_event": ((EVENT,), {}),
    "programs.event": (("E-1",), {}),
    "programs.events": ((), {"point": "hers"}),
    "programs.save_performances": (("E-1", []), {}),
    "programs.performances": ((), {"point": "hers"}),
    "network.save_nodes": (([Node("T1", NodeKind.TRANSFORMER)],), {}),
    "network.connect": (([Connection("hers", "T1", MONTH)],), {}),
    "network.topology": ((), {}),
    "network.nodes": ((NOW,), {}),
    "outlooks.save": (("forecast", "hers", {}), {"issued": NOW}),
    "outlooks.save_many": (("forecast", {"hers": {}}), {"issued": NOW}),
    "outlooks.latest": (("forecast", "hers"), {}),
    "outlooks.several": (("forecast", ["hers"]), {}),
    "outlooks.forget": ((["forecast"],), {"before": NOW}),
    "outlooks.old": ((["plan"],), {"before": NOW}),
    "answers.recall": (("key", "digest"), {}),
    "answers.remember": (("key", "digest", StoredAnswer(200, b"", "text/plain")), {"now": NOW}),
    "answers.forget_old": ((NOW,), {}),
    "answers.old": ((NOW,), {}),
    "edges.stream": (("edge", "a1"), {}),
    "edges.runs": (("edge",), {}),
    "edges.advance": ((EdgeStream("edge", "a1", "local", NOW, NOW),), {"after": 0}),
    "edges.latest": ((), {}),
}
# These find out who asks, or make the first who may.
MAKE_ACCESS = {
    "identities.bootstrap",
    "identities.access_of",
    "identities.sign_in",
    "identities.sign_in_by_key",
    "identities.access_of_session",
    "identities.sign_out",
}
# These show nothing of a usage point: they answer with what the asker may see, or are about a file.
HARMLESS = {
    "dirty.ranges",
    "dirty.totals",
    "dirty.count",
    "day_totals.reach",
    "rerates.pending",
    "rule_sets.history",
    "rule_sets.adopted_by",
    "rule_sets.in_force",
    "rule_sets.content",
    "readings.image_types",
    "readings.resolutions",
    "resolutions.differ",
    "archive.away",
    "archive.require_readable",
    "retention.kept_from",
    "journal.leave",
    "journal.accept",
    "journal.accept_ordered",
    "journal.waiting",
    "imports.progress",
    "registry.installed",
    "registry.count",
    "registry.keys",
    "registry.fingerprint",
    "registry.page",
    "registry.meters",
    "registry.checked_by",
    "registry.meter_points",
    "day_totals.by_day",
    "readings.freshness",
    "readings.freshness_counts",
    "jobs.find",
    "edits.begin_with",
    "programs.program",
    "programs.programs",
    "network.topology",
    "network.nodes",
}


# What the journal holds was allowed when it was accepted; whoever comes next folds it.
ACCEPTED = {"journal.put", "journal.fold", "journal.fold_some"}


@pytest.fixture(scope="module")
def filled() -> Iterator[Store]:
    """A store that knows `hers` and `his`, a meter and a bill of hers."""
    with open_store("sqlite://") as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("hers"), UsagePoint("his")])
        store.registry.save_meter(LOCAL_OWNER, Meter("M1"))
        store.registry.save_installation(LOCAL_OWNER, install("hers", "M1", NOW))
        store.readings.save(LOCAL_OWNER, PANEL, known_at=NOW)
        store.findings.save(LOCAL_OWNER, [FINDING], known_at=NOW)
        store.edits.add(LOCAL_OWNER, EDIT)
        store.ledger.save_bill(LOCAL_OWNER, BILL)
        store.ledger.issue(LOCAL_OWNER, BILL.id)
        store.corrections.save(LOCAL_OWNER, CORRECTION)
        store.controls.add(LOCAL_OWNER, CONTROL)
        store.devices.save_link(LOCAL_OWNER, LINK)
        store.devices.save_events(LOCAL_OWNER, [EndDeviceEvent("M1", "3.26.0.216", NOW, NOW, "hers")])
        store.jobs.add(LOCAL_OWNER, JOB)
        store.programs.save_program(LOCAL_OWNER, PROGRAM)
        store.programs.save_event(LOCAL_OWNER, EVENT)
        store.network.save_nodes(LOCAL_OWNER, [Node("T1", NodeKind.TRANSFORMER)])
        store.network.connect(LOCAL_OWNER, [Connection("hers", "T1", MONTH)])
        store.outlooks.save(LOCAL_OWNER, "forecast", "hers", {}, issued=NOW)
        yield store


def methods(store: Store) -> dict[str, Callable[..., Any]]:
    """Every public method of every part."""
    return {
        f"{part}.{name}": method
        for part, held in vars(store).items()
        for name, method in inspect.getmembers(held, inspect.ismethod)
        if not part.startswith("_") and not name.startswith("_")
    }


def held(stack: ExitStack, answer: object) -> None:
    """Enter what is a block: only then is it asked who it is for."""
    if isinstance(answer, AbstractContextManager):
        stack.enter_context(answer)


def test_every_method_is_checked_and_takes_access_first(filled: Store) -> None:
    found = methods(filled)
    assert set(found) == set(CALLS) | MAKE_ACCESS | ACCEPTED
    found = {name: method for name, method in found.items() if name in CALLS}
    assert {next(iter(inspect.signature(method).parameters)) for method in found.values()} == {"access"}


@pytest.mark.parametrize("name", [name for name in CALLS if name not in HARMLESS])
@pytest.mark.parametrize("access", [ANN, NOBODY], ids=["customer", "viewer"])
def test_what_is_not_allowed_is_denied(filled: Store, name: str, access: Access) -> None:
    positional, named = CALLS[name]
    with pytest.raises(AccessDenied), ExitStack() as stack:
        held(stack, methods(filled)[name](access, *positional, **named))


def test_the_journal_accepts_nothing_of_whom_the_sender_may_not_write(filled: Store) -> None:
    assert filled.journal.accept(LOCAL_OWNER, COLUMNS) is not None
    assert [filled.journal.accept(access, COLUMNS) for access in (ANN, NOBODY)] == [None, None]
    assert filled.journal.accept_ordered(LOCAL_OWNER, ORDERED) is not None
    assert [filled.journal.accept_ordered(access, ORDERED) for access in (ANN, NOBODY)] == [None, None]
    with pytest.raises(AccessDenied):
        filled.journal.accept_ordered(Access("eve", Role.VIEWER), ORDERED)


@pytest.mark.parametrize("access", [ANN, NOBODY], ids=["customer", "viewer"])
def test_lists_show_only_what_may_be_seen(filled: Store, access: Access) -> None:
    mine = sorted(access.points or ())
    assert [point.id for point in filled.registry.points(access)] == mine
    assert filled.readings.series(access) == []
    assert filled.dirty.ranges(access) == []
    assert filled.dirty.count(access, 1_000) == 0
    assert filled.registry.installed(access) == ()
    assert filled.controls.find(access) == []
    assert [point.id for point in filled.registry.page(access)] == mine
    assert filled.registry.meters(access) == ()
    assert filled.registry.meter_points(access, NOW) == {}
    assert filled.readings.freshness(access) == []
    assert filled.readings.freshness_counts(access, late=NOW, silent=NOW).read == 0
    assert filled.findings.page(access) == []
    assert filled.findings.open_of(access, None, [FINDING.code]) == []
    assert filled.edits.find(access) == []
    assert filled.edits.begin_with(access, "E-") == []
    assert filled.devices.events(access) == []
    assert filled.jobs.find(access) == []
    assert filled.programs.events(access) == []
    assert filled.programs.performances(access) == []
    assert filled.network.topology(access) == Topology((), ())
    assert filled.network.nodes(access, NOW) == ()
    assert filled.outlooks.several(access, "forecast") == []
    assert filled.findings.load(access) == []
    assert filled.readings.load(access, None, MONTH, interval=PANEL.interval).points == tuple(mine)


def test_the_owner_may_do_it_all(filled: Store) -> None:
    assert len(filled.dirty.ranges(LOCAL_OWNER)) == 1
    assert filled.readings.load(LOCAL_OWNER, "hers", MONTH).total_kwh().tolist() == [0.004]
