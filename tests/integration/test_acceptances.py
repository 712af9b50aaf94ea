"""Accepting a doubt: what the meter measured counts again, as it was seen and no otherwise, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.calendar import day_number
from gridwright.domain.correction import CorrectionState, NoteKind
from gridwright.domain.edit import Edit, EditState
from gridwright.domain.errors import Conflict
from gridwright.domain.finding import Severity
from gridwright.domain.image import Image
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.pass_gate import issue_bill
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.rerate import Pricing, rerate
from gridwright.jobs.cascade.rerate_bill import CorrectionPolicy
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.meters import accept_findings as accept_findings_module
from gridwright.jobs.meters import edit_readings as edit_readings_module
from gridwright.jobs.meters.accept_findings import (
    Decided,
    Deciding,
    accept_findings,
    preview_acceptance,
    preview_reopening,
    reopen_findings,
)
from gridwright.jobs.meters.edit_readings import EditPolicy, EditWish, counts_at_once, draft_edit, propose_edit
from gridwright.jobs.meters.moved_alone import moved_alone_wh
from gridwright.jobs.meters.weigh_acceptance import Effect, together, weigh
from gridwright.store import Store, open_store
from gridwright.store.findings import FindingFilter, StoredFinding
from gridwright.vee import rule_book
from tests.edited import STRICT
from tests.integration.store.conftest import emptied
from tests.integration.test_cascade import FLAT_CARD
from tests.remembered import remembered

ANN, BOB = (Access(name, Role.OPERATOR) for name in ("ann", "bob"))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
pytestmark = pytest.mark.few_on_servers(0)
ON_SERVERS = pytest.mark.few_on_servers(1)
START, DAYS = datetime(2025, 1, 1, tzinfo=UTC), 90
SPIKE_DAY = START + 70 * DAY
AT = SPIKE_DAY + 12 * HOUR
NOW = START + (DAYS + 2) * DAY
SITE = SiteDefaults()
FREE = EditPolicy(alone_kwh=10_000.0)


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return emptied(str(request.getfixturevalue("postgres_url")))


@dataclass(slots=True)
class Home:
    """Some homes with daily register reads, and a clock that goes on by an hour with each act."""

    store: Store
    points: tuple[str, ...] = ("UP-1",)
    now: datetime = NOW
    policy: EditPolicy = field(default=FREE)

    def tick(self) -> datetime:
        self.now += HOUR
        return self.now

    def settle(self) -> None:
        """Begin with three months, as homes of the same points did before: the clock is where it was then."""
        self.now = remembered(self.store, lambda _: self.fill(), *self.points)

    def fill(self, at: datetime = AT, wh: float = 500_000.0) -> datetime:
        """Save three months, in which one hour holds far more than the registers say."""
        self.store.registry.save_points(ME, [UsagePoint(name) for name in self.points])
        panel = usual(self.points)
        reads = [
            RegisterReading(name, START + day * DAY, float(panel.values[row, : day * 24].sum()), "M-" + name)
            for row, name in enumerate(self.points)
            for day in range(DAYS + 1)
        ]
        self.store.registers.save(ME, reads, known_at=self.now)
        slot = (at - START) // HOUR
        panel.values[:, slot] = wh
        self.store.readings.save(ME, panel, known_at=self.now)
        self.judge()
        return self.now

    def post(self, wh: float, at: datetime = AT, point: str = "UP-1") -> None:
        self.store.readings.save(ME, Panel((point,), at, HOUR, np.array([[wh]])), known_at=self.tick())
        self.judge()

    def judge(self, site: SiteDefaults = SITE) -> None:
        correct(self.store, ME, site, now=self.tick())

    def open_ones(self, **where: object) -> list[StoredFinding]:
        return [
            each
            for each in self.store.findings.page(ME, FindingFilter(**where), limit=10_000)  # type: ignore[arg-type]
            if each.finding.code in {"V18_spike", "V30_sum", "V03_duplicate", "V12_capacity"}
        ]

    def codes(self) -> set[str]:
        return {each.finding.code for each in self.open_ones()}

    def accept(self, who: Access = ME, ids: list[int] | None = None) -> Decided:
        chosen = [each.id for each in self.open_ones()] if ids is None else ids
        return accept_findings(self.store, who, chosen, reason="a furnace was tried out", by=self.by())

    def reopen(self, ids: list[int], who: Access = ME) -> Decided:
        return reopen_findings(self.store, who, ids, reason="it was not", by=self.by())

    def by(self) -> Deciding:
        return Deciding(self.policy, SITE, self.tick())

    def final(self, point: str = "UP-1", at: datetime = AT, as_of: datetime | None = None) -> tuple[float, str]:
        panel = self.store.readings.load(
            ME, point, Panel((point,), at, HOUR, np.zeros((1, 1))).period, image=Image.FINAL, as_of=as_of
        )
        return float(panel.values[0, 0]), q.Status(int(panel.quality[0, 0]) & 15).name

    def total(self, point: str = "UP-1", as_of: datetime | None = None) -> tuple[float, int]:
        day = day_number(SPIKE_DAY.date())
        totals = self.store.day_totals.load(ME, [point], range(day, day + 1), as_of=as_of)
        return float(totals.total[0, 0]), int(totals.estimated[0, 0])


def usual(points: tuple[str, ...]) -> Panel:
    hours = np.arange(24 * DAYS)
    wave = 400 + 150 * np.sin(2 * np.pi * hours / 24) + 20 * np.sin(hours * 1.7)
    return Panel(points, START, HOUR, np.rint(np.vstack([wave + 7 * row for row in range(len(points))])))


@pytest.fixture
def home(address: str) -> Iterator[Home]:
    with open_store(address) as opened:
        made = Home(opened)
        made.settle()
        yield made


@ON_SERVERS
def test_the_measured_value_counts_again_once(home: Home) -> None:
    assert home.codes() == {"V18_spike", "V30_sum"}
    assert (home.final(), home.total()) == ((381.0, "ESTIMATED"), (9_579.0, 1))
    before, ids = home.now, [each.id for each in home.open_ones()]
    told = preview_acceptance(home.store, ME, ids, by=home.by())
    (effect,) = told.effects
    assert (effect.usage_point, effect.intervals, effect.days) == ("UP-1", 1, (SPIKE_DAY.date(),))
    assert effect.added_wh == effect.moved_wh == 500_000 - 381
    assert (told.findings, told.waiting, home.store.dirty.ranges(ME)) == (2, 0, [])
    done = home.accept()
    assert (done.findings, done.waiting, done.effects) == (2, 0, told.effects)
    assert [each.from_day for each in home.store.dirty.ranges(ME)] == [SPIKE_DAY.date()]
    home.judge()
    assert home.final() == (500_000.0, "ACCEPTED")
    assert home.total() == (509_198.0, 0)
    assert home.open_ones() == []
    assert home.final(as_of=before) == (381.0, "ESTIMATED"), "what was known before stays so"
    assert home.total(as_of=before) == (9_579.0, 1)
    records = len(home.store.audit.records(ME))
    again = home.accept(ids=ids)
    home.judge()
    assert (again.findings, again.effects, home.store.dirty.ranges(ME)) == (0, (), [])
    assert len(home.store.audit.records(ME)) == records


def test_the_audit_chain_tells_who_and_why(home: Home) -> None:
    home.accept(ANN)
    told = [each for each in home.store.audit.records(ME) if "accepted" in each.detail]
    assert [(each.actor, each.detail["accepted"], each.detail["reason"]) for each in told] == [
        ("ann", 2, "a furnace was tried out")
    ]
    assert home.store.audit.verify(ME) > 0


def test_what_is_taken_back_is_an_estimate_again(home: Home) -> None:
    ids = [each.id for each in home.open_ones()]
    home.accept()
    home.judge()
    told = preview_reopening(home.store, ME, ids, by=home.by())
    (effect,) = told.effects
    assert (told.findings, effect.intervals, effect.added_wh) == (2, 1, 381.0 - 500_000)
    assert home.reopen(ids).findings == 2
    home.judge()
    assert (home.final(), home.total()) == ((381.0, "ESTIMATED"), (9_579.0, 1))
    assert [each.id for each in home.open_ones()] == ids
    home.accept()
    home.judge()
    assert home.final() == (500_000.0, "ACCEPTED")


def test_what_another_doubt_still_fails_stays_rejected(home: Home) -> None:
    (spike,) = (each.id for each in home.open_ones(code="V18_spike"))
    told = home.accept(ids=[spike])
    assert (told.findings, told.effects) == (1, ()), "the register still contradicts it"
    home.judge()
    assert (home.final(), home.codes()) == ((381.0, "ESTIMATED"), {"V30_sum"})
    (effect,) = home.accept().effects
    assert effect.added_wh == 500_000 - 381
    home.judge()
    assert home.final() == (500_000.0, "ACCEPTED")


def test_other_decisions_change_no_value(home: Home) -> None:
    home.store.findings.assign(ME, [each.id for each in home.open_ones()], "ann", now=home.tick())
    assert home.store.dirty.ranges(ME) == []
    home.judge()
    assert home.final() == (381.0, "ESTIMATED")


def test_other_values_than_were_accepted_are_doubted_anew(home: Home) -> None:
    """What a review found: after 500 kWh was accepted, 900 and 700 kWh there went without a word."""
    home.accept()
    home.judge()
    home.post(900_000.0)
    assert home.codes() == {"V18_spike", "V30_sum", "V03_duplicate"}
    assert home.final() == (381.0, "ESTIMATED")
    home.accept(ids=[each.id for each in home.open_ones(code="V03_duplicate")])
    home.post(381.0)
    assert (home.codes() - {"V03_duplicate"}, home.final()) == (set(), (381.0, "ACTUAL"))
    home.post(700_000.0)
    assert home.codes() >= {"V18_spike", "V30_sum"}
    assert home.final() == (381.0, "ESTIMATED")
    home.post(500_000.0)
    assert home.codes() - {"V03_duplicate"} == set(), "these are the values that were accepted"
    assert home.final() == (500_000.0, "ACCEPTED")


def test_two_doubts_of_one_interval_that_were_open_at_once_become_one(home: Home) -> None:
    ids = [each.id for each in home.open_ones()]
    home.accept()
    home.judge()
    home.post(900_000.0)
    home.reopen(ids)
    home.judge()
    told = [each.finding.code for each in home.open_ones()]
    assert sorted(told) == ["V03_duplicate", "V18_spike", "V30_sum"]


def test_the_same_values_stay_accepted_whoever_brings_or_judges_them(home: Home) -> None:
    home.accept()
    home.judge()
    home.post(500_000.0)
    home.store.dirty.touch(ME, ["UP-1"], usual(("UP-1",)).reading_type, usual(("UP-1",)).period)
    home.judge(SiteDefaults(rules=rule_book(STRICT, "a test")))
    for _ in range(2):
        home.store.dirty.touch(ME, ["UP-1"], usual(("UP-1",)).reading_type, usual(("UP-1",)).period)
        home.judge()
        assert (home.open_ones(), home.final()) == ([], (500_000.0, "ACCEPTED"))


def test_a_register_read_that_changes_is_another_doubt(home: Home) -> None:
    home.accept()
    home.judge()
    (read,) = home.store.registers.load(ME, "UP-1", usual(("UP-1",)).slice(71 * 24, 71 * 24 + 1).period)
    home.store.registers.save(ME, [replace(read, value=read.value + 20)], known_at=home.tick())
    home.judge()
    assert SPIKE_DAY in {each.finding.period.start for each in home.open_ones(code="V30_sum")}


@ON_SERVERS
def test_a_second_person_lets_much_count(home: Home) -> None:
    home.policy = EditPolicy()
    ids = [each.id for each in home.open_ones()]
    for _ in range(2):
        told = home.accept(ANN, ids)
        assert (told.findings, told.waiting, told.effects[0].intervals) == (0, 2, 1)
        home.judge()
        assert home.final() == (381.0, "ESTIMATED")
    waiting = home.store.findings.page(ME, FindingFilter(proposed=True))
    assert [(each.id, each.proposed_by, each.proposal) for each in waiting] == [
        (each, "ann", "a furnace was tried out") for each in ids
    ]
    assert (home.accept(BOB).findings, home.accept(BOB).findings) == (2, 0)
    home.judge()
    assert home.final() == (500_000.0, "ACCEPTED")
    with pytest.raises(Conflict, match="ann proposed what bob accepted"):
        preview_reopening(home.store, ANN, [each.id for each in waiting], by=home.by())
    with pytest.raises(Conflict, match="ann proposed what bob accepted"):
        home.reopen(ids, ANN)
    home.reopen(ids, BOB)
    home.judge()
    assert home.final() == (381.0, "ESTIMATED")
    assert home.store.findings.page(ME, FindingFilter(proposed=True)) == []


def test_a_proposal_is_about_the_values_that_there_were(home: Home) -> None:
    home.policy = EditPolicy()
    home.accept(ANN)
    home.post(900_000.0)
    assert home.store.findings.page(ME, FindingFilter(proposed=True)) == []
    told = home.accept(BOB)
    assert (told.findings, told.waiting) == (1, 2), (
        "the doubt about two values rejects nothing; the others wait for ann"
    )
    assert home.reopen([each.id for each in home.open_ones()], ANN).findings == 2
    assert home.store.findings.page(ME, FindingFilter(proposed=True)) == []


def test_what_changed_since_it_was_found_is_nobodys_alone(home: Home) -> None:
    """Or somebody would send a small value, accept the doubt about the large one, and send that again."""
    home.policy = EditPolicy()
    ids = [each.id for each in home.open_ones()]
    home.store.readings.save(ME, Panel(("UP-1",), AT, HOUR, np.array([[400.0]])), known_at=home.tick())
    told = home.accept(ANN, ids)
    assert (told.findings, told.waiting, told.effects[0].moved_wh) == (0, 2, float("inf"))
    home.judge()
    assert home.final()[0] == 400.0


def test_whoever_looked_at_other_values_does_not_decide(home: Home) -> None:
    ids = [each.id for each in home.open_ones()]
    with pytest.raises(Conflict, match="doubts other values by now"):
        home.store.findings.resolve(ME, ids, reason="seen", now=home.tick(), seen=dict.fromkeys(ids, "others"))
    assert len(home.open_ones()) == 2


@ON_SERVERS
def test_small_ones_add_up(home: Home) -> None:
    home.policy = EditPolicy(600.0)
    assert home.accept(ANN).findings == 2
    home.judge()
    other = AT + 3 * DAY
    home.post(500_000.0, other)
    told = home.accept(ANN, [each.id for each in home.open_ones() if each.finding.code != "V03_duplicate"])
    assert (told.findings, told.waiting) == (0, 2)
    assert home.accept(BOB).waiting == 0
    home.judge()
    assert home.final(at=other) == (500_000.0, "ACCEPTED")


def spikes(home: Home, *hours: datetime) -> list[list[int]]:
    """Post some more hours that hold far too much, and return the findings that keep each from counting."""
    for at in hours:
        home.post(500_000.0, at)
    rejecting = [each for each in home.open_ones() if each.finding.rejects]
    return [[each.id for each in rejecting if at in each.finding.period] for at in hours]


def test_what_somebody_proposed_and_accepted_later_counts_too(home: Home) -> None:
    """Or a proposal would be a way to move twice as much: wait a month, accept it, and the next one right behind."""
    home.policy = EditPolicy(600.0)
    home.accept(ANN)
    home.judge()
    second, third = spikes(home, AT + 3 * DAY, AT + 6 * DAY)
    assert home.accept(ANN, second).waiting == len(second)
    home.now += 40 * DAY
    assert home.accept(ANN, second).findings == len(second)
    home.judge()
    assert home.accept(ANN, third).waiting == len(third)


def test_whoever_proposed_does_not_take_back_alone_what_was_small_by_itself(home: Home) -> None:
    """Nor a part of it: the doubt of the register alone moves nothing that is kept with it."""
    home.policy = EditPolicy(600.0)
    home.accept(ANN)
    home.judge()
    (second,) = spikes(home, AT + 3 * DAY)
    home.accept(ANN, second)
    for each in second:
        home.accept(BOB, [each])
        home.judge()
    assert home.final(at=AT + 3 * DAY) == (500_000.0, "ACCEPTED")
    for each in second:
        with pytest.raises(Conflict, match="ann proposed what bob accepted"):
            home.reopen([each], ANN)
    assert home.reopen(second, BOB).findings == len(second)


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """A home of which two hours wait, and of which one person may let one count."""
    server = request.param != "sqlite"
    url = emptied(str(request.getfixturevalue(f"{request.param}_url"))) if server else f"sqlite:///{tmp_path}/store.db"
    with open_store(url) as opened:
        made = Home(opened, policy=EditPolicy(600.0))
        made.settle()
        yield made


def at_once(monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], Decided | Edit]) -> list[Decided | Edit]:
    """Do two things at once: each knows what was moved before either is recorded, unless one waits for the other."""
    both = Barrier(len(acts))

    def asked(*args: object) -> dict[str, float]:
        moved: dict[str, float] = moved_alone_wh(*args)  # type: ignore[arg-type]
        with suppress(BrokenBarrierError):
            both.wait(1.0)
        return moved

    for module in (accept_findings_module, edit_readings_module):
        monkeypatch.setattr(module, "moved_alone_wh", asked)
    with ThreadPoolExecutor(len(acts)) as pool:
        return [each.result() for each in [pool.submit(act) for act in acts]]


@ON_SERVERS
def test_two_acceptances_at_once_do_not_both_pass_the_limit(shared: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = spikes(shared, AT, AT + 3 * DAY)
    done = at_once(monkeypatch, lambda: shared.accept(ANN, first), lambda: shared.accept(ANN, second))
    assert sorted(each.waiting > 0 for each in done if isinstance(each, Decided)) == [False, True]
    assert shared.store.findings.moved_alone(ANN, ["UP-1"], NOW)["UP-1"] < 600_000


@ON_SERVERS
def test_an_edit_and_an_acceptance_at_once_do_not_both_pass_the_limit(
    shared: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = usual(("UP-1",)).slice(80 * 24, 81 * 24)
    wish = EditWish("UP-1", day.period, "agreed by telephone", total=Decimal(210))
    ids = [each.id for each in shared.open_ones()]
    accepted, edited = at_once(
        monkeypatch,
        lambda: shared.accept(ANN, ids),
        lambda: propose_edit(shared.store, ANN, wish, policy=shared.policy, now=shared.now),
    )
    assert isinstance(accepted, Decided)
    assert isinstance(edited, Edit)
    assert (accepted.waiting > 0) != (edited.state is EditState.PROPOSED)


@ON_SERVERS
def test_two_halves_accepted_at_once_are_weighed_as_one(shared: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each alone lets nothing count, as the other doubt still holds."""
    shared.policy = EditPolicy()
    both = Barrier(2)

    def weighed(*args: object, **options: object) -> dict[str, Effect]:
        effects: dict[str, Effect] = weigh(*args, **options)  # type: ignore[arg-type]
        with suppress(BrokenBarrierError):
            both.wait(5.0)
        both.abort()
        return effects

    monkeypatch.setattr(accept_findings_module, "weigh", weighed)
    ids = [each.id for each in shared.open_ones()]
    with ThreadPoolExecutor(2) as pool:
        done = [each.result() for each in [pool.submit(shared.accept, ANN, [one]) for one in ids]]
    assert sorted((each.findings, each.waiting) for each in done) == [(0, 1), (1, 0)]
    monkeypatch.undo()
    shared.judge()
    assert shared.final() == (381.0, "ESTIMATED")


@ON_SERVERS
def test_a_proposal_that_is_accepted_while_it_is_taken_back_stays(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.policy = EditPolicy()
    ids = [each.id for each in home.open_ones()]
    home.accept(ANN, ids)

    def weighed(*args: object, accepting: bool = True, **options: object) -> dict[str, Effect]:
        if not accepting:
            home.accept(BOB, ids)
        effects: dict[str, Effect] = weigh(*args, accepting=accepting, **options)  # type: ignore[arg-type]
        return effects

    monkeypatch.setattr(accept_findings_module, "weigh", weighed)
    with pytest.raises(Conflict, match="ann proposed what bob accepted"):
        home.reopen(ids, ANN)
    home.judge()
    assert home.final() == (500_000.0, "ACCEPTED")


def test_edits_that_somebody_made_alone_count_too(home: Home) -> None:
    home.policy = EditPolicy(600.0)
    day = usual(("UP-1",)).slice(80 * 24, 81 * 24)
    wish = EditWish("UP-1", day.period, "agreed by telephone", total=Decimal(210))
    propose_edit(home.store, ANN, wish, policy=home.policy, now=home.now)
    assert home.accept(ANN).waiting == 2
    assert home.accept(BOB).waiting == 0


def test_what_somebody_accepted_alone_counts_for_edits_too(home: Home) -> None:
    """One limit over both: 500 kWh accepted and 190 edited are more than 600 together, in whichever order."""
    home.policy = EditPolicy(600.0)
    assert (home.accept(ANN).waiting, home.accept(ANN).findings) == (0, 0)
    day = usual(("UP-1",)).slice(80 * 24, 81 * 24)
    wish = EditWish("UP-1", day.period, "agreed by telephone", total=Decimal(200))
    drawn = draft_edit(home.store, ANN, wish, now=home.now)
    assert not counts_at_once(home.store, ANN, drawn, policy=home.policy)
    later = replace(drawn, created=home.now + 32 * DAY)
    assert counts_at_once(home.store, ANN, later, policy=home.policy)
    states = [propose_edit(home.store, who, wish, policy=home.policy, now=home.now).state for who in (ANN, BOB)]
    assert states == [EditState.PROPOSED, EditState.APPLIED]


def test_a_small_edit_that_lies_over_a_large_value_is_no_way_round(home: Home) -> None:
    """Or somebody would edit an interval by a watt-hour, accept what is under it, and withdraw the edit."""
    home.policy = EditPolicy()
    hour = usual(("UP-1",)).slice(70 * 24 + 12, 70 * 24 + 13)
    edit = propose_edit(
        home.store, ANN, EditWish("UP-1", hour.period, "rounded", values=[0.382]), policy=home.policy, now=home.now
    )
    assert edit.decided_by == "ann"
    home.judge()
    told = home.accept(ANN)
    assert (told.findings, told.waiting) == (0, 2)
    assert [(each.intervals, each.days, each.added_wh, each.moved_wh) for each in told.effects] == [
        (0, (), 0.0, 499_619.0)
    ]


@ON_SERVERS
def test_an_issued_bill_gets_a_debit_note_and_none_when_it_is_taken_back(home: Home) -> None:
    store = home.store
    order = BillOrder(["UP-1"], "2025-03", despite="the customer waits for it")
    (made,) = run_billing(store, ME, order, lambda _: FLAT_CARD, SITE, now=home.tick()).bills
    issue_bill(store, ME, made.id, despite="the customer waits for it")
    pricing = Pricing(lambda *_: FLAT_CARD, SITE, CorrectionPolicy())
    ids = [each.id for each in home.open_ones()]
    home.accept()
    for _ in range(2):
        home.judge()
        rerate(store, ME, pricing, now=home.tick())
        assert [each.kind for each in store.corrections.page(ME)] == [NoteKind.DEBIT]
    (note,) = store.corrections.page(ME)
    assert note.total == round(Decimal("499.619") * Decimal("0.30"), 2) + round(
        round(Decimal("499.619") * Decimal("0.30"), 2) * Decimal("0.19"), 2
    )
    home.reopen(ids)
    home.judge()
    rerate(store, ME, pricing, now=home.tick())
    assert [each for each in store.corrections.page(ME) if each.state is CorrectionState.DRAFT] == []


def test_many_are_accepted_at_once(address: str) -> None:
    with open_store(address) as store:
        home = Home(store, tuple(f"UP-{number}" for number in range(1, 31)))
        home.fill()
        ids = home.store.findings.ids(ME, FindingFilter(severity=Severity.FAIL))
        assert len(ids) == 60
        done = home.accept(ids=ids)
        assert (done.findings, len(done.effects)) == (60, 30)
        total = together(done.effects)
        assert (total.intervals, total.days) == (30, (SPIKE_DAY.date(),))
        home.judge()
        assert {home.final(name) for name in home.points} == {(500_000.0, "ACCEPTED")}
        assert home.total("UP-30")[1] == 0


@ON_SERVERS
def test_the_limit_is_one_a_usage_point_also_where_many_are_decided_at_once(address: str) -> None:
    """It guards each customer's bill: what all of them add up to needs nobody else."""
    with open_store(address) as store:
        home = Home(store, ("UP-1", "UP-2", "UP-3"), policy=EditPolicy(600.0))
        home.settle()
        home.post(900_000.0, point="UP-2")
        done = home.accept(ANN)
        assert sum(effect.moved_wh for effect in done.effects if effect.usage_point != "UP-2") > 600_000
        home.judge()
        assert [home.final(name)[1] for name in home.points] == ["ACCEPTED", "ESTIMATED", "ACCEPTED"]
        assert {each.finding.usage_point for each in home.open_ones()} == {"UP-2"}
        home.accept(BOB)
        home.judge()
        assert home.final("UP-2") == (900_000.0, "ACCEPTED")


def test_what_was_accepted_before_it_was_kept_of_what_stays_silent_and_counts_nothing(home: Home) -> None:
    home.accept()
    with home.store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE finding SET fingerprint = NULL")
    home.judge()
    assert home.final() == (381.0, "ESTIMATED")
    home.post(900_000.0)
    assert (home.codes() - {"V03_duplicate"}, home.final()) == (set(), (381.0, "ESTIMATED"))


def test_a_warning_that_is_accepted_sets_nothing_going(home: Home) -> None:
    ids = [each.id for each in home.store.findings.page(ME) if each.finding.severity is not Severity.FAIL]
    home.post(450.0, AT + 5 * DAY)
    ids += [each.id for each in home.open_ones(code="V03_duplicate")]
    assert ids
    assert home.accept(ids=ids).effects == ()
    assert home.store.dirty.ranges(ME) == []
