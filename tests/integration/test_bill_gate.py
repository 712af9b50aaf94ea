"""The gate before billing: open doubts withhold bills and notes until somebody resolves them, or says why they go."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.billing.gate import packaged_gate
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.bill import Bill, BillState
from gridwright.domain.correction import CorrectionState
from gridwright.domain.errors import AccessDenied, Conflict, InputError
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.obstacle import BillGate, GateRule
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import (
    CURRENT,
    DELIVERED_ENERGY,
    POWER,
    RECEIVED_ENERGY,
    STATE,
    VOLTAGE,
    ReadingType,
)
from gridwright.domain.topology import Node, NodeKind
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.pass_gate import issue_bill, issue_note, obstacles_of, obstacles_of_notes
from gridwright.jobs.billing.run_billing import BillOrder, BillRun, run_billing
from gridwright.jobs.billing.withheld_now import withheld_now
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.rerate import Pricing, rerate
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import Store, open_store
from tests.integration.command_line import Run
from tests.integration.store.conftest import emptied
from tests.integration.test_cascade import FLAT, FLAT_CARD
from tests.integration.test_cli import document, run
from tests.remembered import remembered

__all__ = ["run"]
DAY = timedelta(days=1)
MARCH = Interval(datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC))
NOW = datetime(2025, 4, 3, tzinfo=UTC)
SITE = SiteDefaults()
pytestmark = pytest.mark.few_on_servers(0)
ON_SERVERS = pytest.mark.few_on_servers(1)
POINTS = ("UP-1", "UP-2")
CARLA = Access("carla", Role.BILLER)
SERVERS = {"postgres": "postgres_url", "mysql": "mysql_url"}


@pytest.fixture(params=["sqlite", *SERVERS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Two usage points with the readings of March, all judged."""
    fixture = SERVERS.get(request.param)
    url = emptied(str(request.getfixturevalue(fixture))) if fixture else f"sqlite:///{tmp_path}/store.db"
    with open_store(url) as opened:
        remembered(opened, fill)
        yield opened


def fill(store: Store) -> None:
    hours = np.arange(31 * 24)
    values = np.rint(400 + 150 * np.sin(2 * np.pi * hours / 24) + 20 * np.sin(hours * 1.7))
    store.registry.save_points(ME, [UsagePoint(name, capacity_kw=17.0) for name in ("UP-1", "UP-2")])
    store.readings.save(
        ME, Panel(("UP-1", "UP-2"), MARCH.start, timedelta(hours=1), np.stack([values] * 2)), known_at=NOW
    )
    correct(store, ME, SITE, now=NOW)


def doubt(
    store: Store, code: str = "V30_sum", severity: Severity = Severity.FAIL, first: int = 10, days: int = 1
) -> int:
    """Let a rule doubt days of March at UP-1, and return the finding's number."""
    period = Interval(MARCH.start + (first - 1) * DAY, MARCH.start + (first - 1 + days) * DAY)
    found = Finding(code, "UP-1", period, severity, f"{code} says so")
    store.findings.save(ME, [found], known_at=NOW)
    return store.findings.open_of(ME, ["UP-1"], [code])[-1].id


def bill(store: Store, points: Sequence[str] = ("UP-1", "UP-2"), period: str = "2025-03", **more: object) -> BillRun:
    order = BillOrder(list(points), period, **more)  # type: ignore[arg-type]
    return run_billing(store, CARLA, order, lambda _: FLAT_CARD, SITE, now=NOW)


def accept(store: Store, number: int) -> None:
    store.findings.resolve(ME, [number], reason="the meter was tested", now=NOW)


@ON_SERVERS
def test_a_doubt_withholds_its_bill_and_no_other_until_it_is_accepted(store: Store) -> None:
    number = doubt(store)
    done = bill(store)
    assert ([each.usage_point for each in done.bills], done.new) == (["UP-2"], 1)
    (one,) = done.withheld
    assert (one.usage_point, one.period, [each.finding for each in one.obstacles]) == ("UP-1", MARCH, [number])
    assert one.obstacles[0].resolve == f"gridwright finding resolve {number} --reason WHY"
    assert [each.bill.usage_point for each in store.ledger.bills(ME)] == ["UP-2"]
    assert bill(store).new == 0
    accept(store, number)
    done = bill(store)
    assert (done.withheld, done.new, done.same) == ([], 1, 1)


def test_a_trial_tells_what_would_be_withheld(store: Store) -> None:
    doubt(store)
    before = store.audit.verify(ME)
    done = bill(store, dry_run=True)
    assert ([each.usage_point for each in done.bills], len(done.withheld)) == (["UP-2"], 1)
    assert store.audit.verify(ME) == before


@pytest.mark.few_on_servers(1)
@pytest.mark.parametrize(
    ("code", "severity", "days", "withheld"),
    [
        ("V30_sum", Severity.FAIL, 1, True),
        ("V30_sum", Severity.WARN, 31, False),
        ("V33_high_low", Severity.WARN, 7, False),
        ("V33_high_low", Severity.WARN, 8, True),
        ("V33_register", Severity.WARN, 31, False),
        ("V17_stuck", Severity.FAIL, 31, False),
        ("V00_unjudged", Severity.FAIL, 1, True),
    ],
)
def test_the_packaged_gate(store: Store, code: str, severity: Severity, days: int, withheld: bool) -> None:
    doubt(store, code, severity, 1, days)
    assert bool(bill(store).withheld) is withheld


def told(store: Store, code: str, kind: ReadingType, first: int, days: int) -> None:
    """Let a rule doubt days of March in a series of UP-1."""
    period = Interval(MARCH.start + (first - 1) * DAY, MARCH.start + (first - 1 + days) * DAY)
    severity = Severity.FAIL if code == "V00_unjudged" else Severity.WARN
    found = Finding(code, "UP-1", period, severity, "says so", reading_type=kind)
    store.findings.save(ME, [found], known_at=NOW)


@pytest.mark.few_on_servers(1)
@pytest.mark.parametrize("kind", [VOLTAGE, CURRENT, POWER, STATE])
def test_a_doubt_about_what_no_bill_rests_on_withholds_none(store: Store, kind: ReadingType) -> None:
    """Power counts where a usage point has no energy of its own; this one has."""
    told(store, "V00_unjudged", kind, 1, 1)
    told(store, "V33_high_low", kind, 1, 9)
    told(store, "V33_high_low", DELIVERED_ENERGY, 10, 7)
    assert withheld_now(store, CARLA, packaged_gate(), now=NOW) == []
    done = bill(store, ["UP-1"])
    assert (done.withheld, done.new) == ([], 1)
    assert obstacles_of(store, CARLA, done.bills[0]) == ()
    assert issue_bill(store, CARLA, done.bills[0].id) == 1


def test_doubts_about_the_power_that_energy_is_made_of_withhold_its_bill(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("UP-P", capacity_kw=17.0)])
    watts = Panel(("UP-P",), MARCH.start, timedelta(hours=1), np.full((1, 31 * 24), 500.0), reading_type=POWER)
    store.readings.save(ME, watts, known_at=NOW)
    correct(store, ME, SITE, now=NOW)
    assert bill(store, ["UP-P"]).new == 1
    found = Finding("V00_unjudged", "UP-P", MARCH, Severity.FAIL, "says so", reading_type=POWER)
    store.findings.save(ME, [found], known_at=NOW)
    assert [each.usage_point for each in withheld_now(store, CARLA, packaged_gate(), now=NOW)] == ["UP-P"]
    assert len(bill(store, ["UP-P"]).withheld) == 1


@pytest.mark.few_on_servers(1)
def test_the_shares_of_several_series_are_not_added_up(store: Store) -> None:
    told(store, "V33_high_low", DELIVERED_ENERGY, 1, 5)
    told(store, "V33_high_low", RECEIVED_ENERGY, 10, 5)
    assert bill(store, ["UP-1"]).withheld == []
    told(store, "V33_high_low", RECEIVED_ENERGY, 20, 5)
    (one,) = bill(store, ["UP-1"]).withheld
    assert [each.period.start.day for each in one.obstacles] == [10, 20]


@ON_SERVERS
def test_what_is_not_issued_of_a_month_is_withheld_now(store: Store) -> None:
    doubt(store, first=20)
    (half,) = bill(store, ["UP-1"], "2025-03-05/2025-03-15").bills
    issue_bill(store, CARLA, half.id)
    (one,) = withheld_now(store, CARLA, packaged_gate(), now=NOW)
    assert one.period == Interval(MARCH.start + 14 * DAY, MARCH.end)
    doubt(store, first=2)
    found = withheld_now(store, CARLA, packaged_gate(), now=NOW)
    assert [(each.period.start.day, len(each.obstacles)) for each in found] == [(1, 1), (15, 1)]


def test_what_gates_is_data(store: Store) -> None:
    doubt(store, "V17_stuck", Severity.WARN)
    gate = BillGate({"V17_stuck": GateRule(Severity.WARN)})
    assert len(bill(store, gate=gate).withheld) == 1
    assert bill(store, gate=BillGate({})).withheld == []


@ON_SERVERS
def test_to_pass_over_a_doubt_needs_a_name_and_a_reason_and_is_on_record(store: Store) -> None:
    number = doubt(store)
    for points, despite in (((), "why not"), (("UP-1",), "  ")):
        with pytest.raises(InputError, match="named usage points, with a reason"):
            bill(store, points, despite=despite)
    (made,) = bill(store, ["UP-1"], despite="the register was misread").bills
    with pytest.raises(Conflict, match=f"V30_sum .finding {number}.*finding resolve {number}"):
        issue_bill(store, CARLA, made.id)
    with pytest.raises(InputError, match="reason"):
        issue_bill(store, CARLA, made.id, despite=" ")
    assert issue_bill(store, CARLA, made.id, despite="the customer agrees") == 1
    assert issue_bill(store, CARLA, made.id) == 1
    told = [each for each in store.audit.records(ME) if "despite" in each.detail]
    assert [(each.actor, each.subject, each.detail["despite"]) for each in told] == [
        ("carla", made.id, "the customer agrees"),
        ("carla", made.id, "the register was misread"),
    ]
    assert {each.detail["withheld_by"] for each in told} == {f"V30_sum {number}"}


@ON_SERVERS
def test_a_doubt_that_comes_up_behind_the_draft_withholds_its_issue(store: Store) -> None:
    (made,) = bill(store, ["UP-1"]).bills
    number = doubt(store)
    assert [each.finding for each in obstacles_of(store, CARLA, made)] == [number]
    with pytest.raises(Conflict, match="withheld"):
        issue_bill(store, CARLA, made.id)
    with pytest.raises(AccessDenied):
        issue_bill(store, Access("ann", Role.OPERATOR), made.id, despite="I say so")
    assert store.ledger.bill(ME, made.id).bill.state is BillState.DRAFT
    accept(store, number)
    assert issue_bill(store, CARLA, made.id) == 1
    # What is issued stays, whatever is doubted afterwards.
    doubt(store, first=20)
    assert obstacles_of(store, CARLA, store.ledger.bill(ME, made.id).bill) == ()


def test_a_draft_with_gaps_is_made_and_not_issued(store: Store) -> None:
    """A month that has begun is drafted as far as it was read."""
    made = bill(store, ["UP-1"], "2025-03-25/2025-04-05").bills[-1]
    assert made.missing > 0
    assert [each.code for each in obstacles_of(store, CARLA, made)] == ["missing"]
    with pytest.raises(Conflict, match=r"have no value.*edit propose UP-1 --period 2025-04-01/2025-04-05"):
        issue_bill(store, CARLA, made.id)
    lenient = replace(packaged_gate(), missing_share=0.6, estimated_share=0.0)
    assert obstacles_of(store, CARLA, replace(made, missing=0, estimated=1), lenient)[0].code == "estimated"


@ON_SERVERS
def test_a_note_says_what_withholds_it(store: Store) -> None:
    (made,) = bill(store, ["UP-1"]).bills
    issue_bill(store, CARLA, made.id)
    late = Panel(("UP-1",), MARCH.start + 12 * DAY, timedelta(hours=1), np.full((1, 24), 300.0))
    store.readings.save(ME, late, known_at=NOW + DAY)
    correct(store, ME, SITE, now=NOW + DAY)
    number = doubt(store)
    rerate(store, ME, Pricing(lambda *_: FLAT_CARD, SITE), now=NOW + DAY)
    (note,) = store.corrections.page(ME)
    ((told,),) = obstacles_of_notes(store, CARLA, [note])
    assert told.finding == number
    with pytest.raises(Conflict, match=f"{note.id} is withheld by V30_sum"):
        issue_note(store, CARLA, note.id)
    assert store.corrections.correction(ME, note.id).state is CorrectionState.DRAFT
    (again,) = bill(store, ["UP-1"]).bills
    assert again.state is BillState.ISSUED
    assert issue_note(store, CARLA, note.id, despite="the second meter agrees") == 1
    assert obstacles_of_notes(store, CARLA, store.corrections.page(ME)) == [()]
    assert any(each.detail.get("despite") == "the second meter agrees" for each in store.audit.records(ME))


@ON_SERVERS
def test_months_that_are_withheld_now(store: Store) -> None:
    assert withheld_now(store, CARLA, packaged_gate(), now=NOW) == []
    number = doubt(store, days=25)
    found = withheld_now(store, CARLA, packaged_gate(), now=NOW)
    assert [(each.usage_point, each.period.start.month) for each in found] == [("UP-1", 3), ("UP-1", 4)]
    assert withheld_now(store, CARLA, packaged_gate(), now=NOW, points=["UP-2"]) == []
    bill(store, ["UP-1"], despite="it is urgent")
    (draft,) = store.ledger.bills(ME, "UP-1")
    issue_bill(store, CARLA, draft.bill.id, despite="it is urgent")
    assert [each.period.start.month for each in withheld_now(store, CARLA, packaged_gate(), now=NOW)] == [4]
    newer = doubt(store, "V31_tou_sum", first=32)
    (one,) = withheld_now(store, CARLA, packaged_gate(), now=NOW, most=1)
    assert [each.finding for each in one.obstacles] == [newer]
    accept(store, number)
    accept(store, newer)
    assert withheld_now(store, CARLA, packaged_gate(), now=NOW) == []
    with pytest.raises(AccessDenied):
        withheld_now(store, Access("vic", Role.VIEWER), packaged_gate(), now=NOW)


def test_a_master_meter_withholds_no_bill(store: Store) -> None:
    doubt(store)
    store.network.save_nodes(ME, [Node("F-1", NodeKind.FEEDER, meter="UP-1")])
    assert withheld_now(store, CARLA, packaged_gate(), now=NOW) == []


def test_on_the_command_line(run: Run) -> None:
    Path("rate_cards").mkdir()
    Path("rate_cards/flat.toml").write_text(FLAT, encoding="utf-8")
    with open_store("gridwright.db") as store:
        fill(store)
        number = doubt(store)
    billing = ("bill", "run", "--tariff", "flat", "--period", "2025-03")
    done = document(run, *billing)
    assert ([each["usage_point"] for each in done["bills"]], done["kept"]) == (["UP-2"], 1)
    ((one,),) = [each["obstacles"] for each in done["withheld"]]
    assert (one["finding"], one["code"], one["severity"]) == (number, "V30_sum", "fail")
    code, out, err = run(*billing, "--usage-point", "UP-1")
    assert (code, f"finding resolve {number}" in out, "Withheld" in err) == (0, True, True)
    assert document(run, "bill", "withheld")["withheld"] == done["withheld"]
    assert "V30_sum says so" in run("bill", "withheld", "--usage-point", "UP-1")[1]
    code, _, err = run(*billing, "--despite", "no point was named")
    assert (code, "named usage points" in err) == (1, True)
    (made,) = document(run, *billing, "--usage-point", "UP-1", "--despite", "it is urgent")["bills"]
    assert document(run, "bill", "show", made["id"])["obstacles"] == [one]
    assert "Withheld by V30_sum" in run("bill", "show", made["id"])[2]
    code, _, err = run("bill", "issue", made["id"])
    assert (code, f"finding resolve {number}" in " ".join(err.split())) == (1, True)
    # So much energy counts again that a second person has to agree.
    assert document(run, "finding", "resolve", str(number), "--reason", "tested")["waiting"] == 1
    assert run("bill", "issue", made["id"])[0] == 1
    key = document(run, "key", "create", "bob", "--role", "operator")["key"]
    assert document(run, "finding", "resolve", str(number), "--reason", "I saw it", "--key", key)["findings"] == 1
    assert document(run, "bill", "issue", made["id"])["issued"] == {made["id"]: 1}
    assert "Nothing is withheld" in run("bill", "withheld")[2]
    Path("gridwright.toml").write_text('[billing.gate]\nV99_none = { severity = "warn" }\n', encoding="utf-8")
    assert "no rule has this code" in run(*billing)[2]
    Path("gridwright.toml").write_text('[billing.gate]\nV30_sum = { severity = "never" }\n', encoding="utf-8")
    with open_store("gridwright.db") as store:
        doubt(store, first=20)
    assert document(run, "bill", "withheld")["withheld"] == []
    assert json.loads(run(*billing, "--json")[1])["withheld"] == []


def test_bills_of_a_file_say_what_they_are_and_what_would_withhold_them(run: Run) -> None:
    """The same doubt that keeps a bill from the store is told of the file's, on its PDF too."""
    hours = [(MARCH.start + timedelta(hours=number), 1 + number % 5 / 10) for number in range(744)]
    high = (POINTS[0], hours[300][0])
    rows = [f"{name},{at:%Y-%m-%dT%H:%MZ},{500 if (name, at) == high else kwh}" for name in POINTS for at, kwh in hours]
    Path("march.csv").write_text("\n".join(["usage_point,start,kwh", *rows]), encoding="utf-8")
    Path("flat.toml").write_text(FLAT, encoding="utf-8")
    Path("gridwright.toml").write_text('[billing.gate]\nV35_load_factor = { severity = "info" }\n', encoding="utf-8")
    billing = ("bill", "run", "march.csv", "--tariff", "flat.toml", "--period", "2025-03")
    done = document(run, *billing)
    assert ([each["usage_point"] for each in done["bills"]], done["kept"]) == (list(POINTS), 0)
    (withheld,) = done["withheld"]
    assert (withheld["usage_point"], withheld["obstacles"][0]["code"]) == ("UP-1", "V35_load_factor")
    assert "gridwright reading import march.csv" in withheld["obstacles"][0]["resolve"]
    doubted, clean = (each["notes"] for each in done["bills"])
    assert doubted[-2] == clean[-1] == "Made of a file: not issued, and nobody owes it."
    assert doubted[-1].startswith("In doubt: V35_load_factor")
    code, out, err = run(*billing)
    assert (code, "none is kept or issued" in err, "would be withheld" in err) == (0, True, True)
    assert "V35_load_factor" in out
    assert "leave --despite out" in run(*billing, "--despite", "urgent")[2]
    assert document(run, "bill", "list") == []
    assert document(run, "reading", "import", "march.csv")["readings"] == 2 * 744
    Path("rate_cards").mkdir()
    Path("rate_cards/flat.toml").write_text(FLAT, encoding="utf-8")
    stored = document(run, "bill", "run", "--tariff", "flat", "--period", "2025-03")
    assert [each["usage_point"] for each in stored["withheld"]] == ["UP-1"]


def test_bills_of_examples_are_nobody_s(store: Store) -> None:
    doubt(store)
    example = Bill("B", "k", "UP-1", MARCH, "UTC", "example", "EUR", (), "h", NOW, example=True)
    assert obstacles_of(store, ME, example) == ()
