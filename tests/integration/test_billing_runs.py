"""Trial runs tell what the run would do and change nothing; a run over everything leaves the archive alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.billing import parse_rate_card
from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.edit import EditState
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.billed_spans import alike, spans_reached
from gridwright.jobs.billing.open_months import open_months, spelled
from gridwright.jobs.billing.run_billing import BillOrder, BillRun, run_billing
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.load.load_final import FinalGroup, load_final
from gridwright.jobs.meters.edit_readings import EditPolicy, EditWish, approve_edit, propose_edit
from gridwright.jobs.upkeep.archive_months import archive_months, months_away
from gridwright.store import Store, open_store
from tests.integration.store.conftest import emptied
from tests.remembered import remembered

HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
pytestmark = pytest.mark.few_on_servers(0)
ON_SERVERS = pytest.mark.few_on_servers(1)
START = datetime(2025, 2, 28, 23, tzinfo=UTC)  # midnight in Berlin
SEAM = datetime(2025, 3, 12, tzinfo=UTC)
END = datetime(2025, 3, 31, 22, tzinfo=UTC)
NOW = datetime(2025, 8, 2, tzinfo=UTC)
SITE = SiteDefaults()
BERLIN = UsagePoint("UP-1", "Europe/Berlin")
CARD = parse_rate_card(
    """
[tariff]
id = "flat"
version = 1
currency = "EUR"
tz = "Europe/Berlin"
[[charges]]
id = "energy"
price = { rate = 0.30 }
""",
    where="a test",
)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    lite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/store.db" if lite else emptied(str(request.getfixturevalue("postgres_url")))
    with open_store(url) as opened:
        opened.registry.save_points(LOCAL_OWNER, [BERLIN])
        yield opened


def hours(start: datetime, end: datetime, step: timedelta = HOUR, base: float = 400) -> Panel:
    slots = np.arange((end - start) // step)
    return Panel(("UP-1",), start, step, np.rint(base + base / 3 * np.sin(slots / 3.7))[None])


def bill(store: Store, period: str, access: Access = LOCAL_OWNER, *, dry_run: bool = False) -> BillRun:
    return run_billing(store, access, BillOrder(["UP-1"], period, dry_run), lambda _: CARD, SITE, now=NOW)


def state(store: Store) -> list[object]:
    """Everything that a trial must leave alone."""
    whole = Interval(START, END)
    stretches = list(store.readings.stretches(LOCAL_OWNER, ["UP-1"], whole, reading_type=CARD_KIND, image=Image.FINAL))
    return [
        store.dirty.ranges(LOCAL_OWNER),
        store.rerates.pending(LOCAL_OWNER),
        store.ledger.bills(LOCAL_OWNER),
        store.findings.load(LOCAL_OWNER),
        store.audit.verify(LOCAL_OWNER),
        stretches,
    ]


CARD_KIND = hours(START, END).reading_type


def test_a_trial_over_an_exchange_tells_what_the_run_bills(store: Store) -> None:
    """The new meter is read by quarters; a gap before it and after it waits to be estimated."""
    old, new = hours(START, SEAM), hours(SEAM, END, QUARTER, 100)
    old.values[0, 100:110] = np.nan
    new.values[0, 300:330] = np.nan
    for panel in (old, new):
        store.readings.save(LOCAL_OWNER, panel, known_at=NOW)
    before = state(store)
    biller = Access("carla", Role.BILLER)
    (tried,) = bill(store, "2025-03", biller, dry_run=True).bills
    assert state(store) == before
    (made,) = bill(store, "2025-03", biller).bills
    assert (tried.key, tried.energy_kwh, tried.total) == (made.key, made.energy_kwh, made.total)
    # About what both meters counted, not one of them.
    assert float(made.energy_kwh) == pytest.approx(0.4 * 24 * 31, rel=0.05)
    late = old.slice(100, 110)
    store.readings.save(LOCAL_OWNER, late.with_values(np.full((1, 10), 5_000.0)), known_at=NOW)
    (again,) = bill(store, "2025-03", biller, dry_run=True).bills
    assert again.energy_kwh > made.energy_kwh + 40
    assert store.ledger.bills(LOCAL_OWNER)[0].bill.key == made.key


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where months lie that left a database: whoever brings them back leaves them there."""
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture
def old(store: Store, shelf: Path) -> Store:
    """A store of half a year, billed, the first months of it archived."""
    to = shelf / store._engine.dialect.name
    remembered(store, lambda store: half_a_year(store, to))
    return store


def half_a_year(store: Store, to: Path) -> None:
    """Bill February to July, and let the months before June leave the database."""
    store.readings.save(LOCAL_OWNER, hours(datetime(2025, 1, 31, 23, tzinfo=UTC), NOW - 12 * HOUR), known_at=NOW)
    correct(store, LOCAL_OWNER, SITE, now=NOW)
    assert len(bill(store, "").bills) == 7
    store.rerates.clear(LOCAL_OWNER, store.rerates.pending(LOCAL_OWNER))
    june = parse_month("2025-06")
    archive_months(store, LOCAL_OWNER, str(to), before=june, drop_before=june)
    # The first hour of February in Berlin lies in January by UTC.
    assert months_away(store, LOCAL_OWNER) == set(range(june - 5, june))


def test_a_run_over_everything_leaves_the_archive_alone(old: Store) -> None:
    away = months_away(old, LOCAL_OWNER)
    run = bill(old, "")
    # June begins in May by UTC: it is billed already, and brings nothing back.
    assert [each.period.start.astimezone(BERLIN.tz).month for each in run.bills] == [7, 8]
    assert (run.new, run.replaced, months_away(old, LOCAL_OWNER)) == (0, 0, away)
    (note,) = run.notes
    assert note.startswith("not looked at, because it is in the archive: 5 months from 2025-01 to 2025-05")


def test_a_month_that_is_asked_for_comes_back_and_no_other(old: Store) -> None:
    kept = {each.bill.period.start: each.bill.key for each in old.ledger.bills(LOCAL_OWNER)}
    tried = bill(old, "2025-04", dry_run=True)
    assert len(months_away(old, LOCAL_OWNER)) == 5
    run = bill(old, "2025-04")
    assert run.notes == tried.notes == ["brought back from the archive: 2 months from 2025-03 to 2025-04"]
    assert [each.key for each in run.bills] == [each.key for each in tried.bills] == [kept[run.bills[0].period.start]]
    assert months_away(old, LOCAL_OWNER) == {parse_month(each) for each in ("2025-01", "2025-02", "2025-05")}


@ON_SERVERS
def test_a_late_reading_in_the_archive_is_billed_by_a_run_over_everything(old: Store) -> None:
    late = hours(datetime(2025, 4, 10, tzinfo=UTC), datetime(2025, 4, 11, tzinfo=UTC), base=900)
    old.readings.save(LOCAL_OWNER, late, known_at=NOW)
    tried, run = bill(old, "", dry_run=True), bill(old, "")
    assert [each.key for each in tried.bills] == [each.key for each in run.bills]
    assert 4 in {each.period.start.astimezone(BERLIN.tz).month for each in run.bills}
    assert run.replaced == 1


def edited(store: Store, start: datetime, name: str = "UP-1") -> None:
    """Let an hour's edit count, agreed by two."""
    wish = EditWish(name, Interval(start, start + HOUR), "the old invoice", values=[0.5])
    made = propose_edit(store, LOCAL_OWNER, wish, policy=EditPolicy(), now=NOW)
    if made.state is not EditState.APPLIED:
        approve_edit(store, Access("bob", Role.OPERATOR), made.id, now=NOW)


@pytest.mark.parametrize("old", ["an edit", "a reading"])
def test_what_is_of_long_ago_is_billed_for_its_own_month_and_costs_the_others_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, old: str
) -> None:
    others = ["UP-1", "UP-2", "UP-3"]
    store.registry.save_points(LOCAL_OWNER, [UsagePoint(name, "Europe/Berlin") for name in others[1:]])
    march = hours(START, END)
    store.readings.save(
        LOCAL_OWNER, Panel(tuple(others), START, HOUR, np.repeat(march.values, 3, axis=0)), known_at=NOW
    )
    noon = datetime(2005, 1, 10, 12, tzinfo=UTC)
    if old == "an edit":
        edited(store, noon)
    else:
        correct(store, LOCAL_OWNER, SITE, now=NOW)
        store.readings.save(LOCAL_OWNER, hours(noon, noon + HOUR), known_at=NOW)
    loaded: list[timedelta] = []

    def load(
        store: Store, access: Access, known: Mapping[str, UsagePoint], period: Interval, site: SiteDefaults
    ) -> tuple[list[FinalGroup], list[str]]:
        loaded.append(len(known) * period.length)
        return load_final(store, access, known, period, site)

    monkeypatch.setattr("gridwright.jobs.billing.run_billing.load_final", load)
    order = BillOrder(others, "")
    run = run_billing(store, LOCAL_OWNER, order, lambda _: CARD, SITE, now=NOW)
    mine = [str(each.period) for each in run.bills if each.usage_point == "UP-1"]
    until = "2005-01-10T23:00:00+00:00" if old == "an edit" else "2005-01-31T23:00:00+00:00"
    assert mine == [f"2005-01-09T23:00:00+00:00/{until}", str(Interval(START, END))]
    assert [each.usage_point for each in run.bills if each.period.start == START] == others
    told = "UP-1 has no value in 241 months from 2005-02 to 2025-02, so that there is no draft"
    assert (run.new, [note.split(";")[0] for note in run.notes]) == (4, [] if old == "an edit" else [told])
    assert sum(loaded, timedelta(0)) < timedelta(days=3 * 70)
    again = run_billing(store, LOCAL_OWNER, order, lambda _: CARD, SITE, now=NOW)
    assert (again.new, again.same, again.replaced) == (0, 4, 0)


@ON_SERVERS
def test_months_between_far_readings_are_billed_as_if_all_were_loaded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a usage point with gaps of months those with values are loaded, read or estimated; nothing else differs."""
    starts = [
        datetime(2024, 8, 31, 22, tzinfo=UTC),
        datetime(2023, 9, 10, tzinfo=UTC),
        datetime(2023, 2, 10, tzinfo=UTC),
    ]
    for start in starts:
        store.readings.save(LOCAL_OWNER, hours(start, start + timedelta(days=2)), known_at=NOW)
        correct(store, LOCAL_OWNER, SITE, now=NOW)
    assert len(spans_reached(store, LOCAL_OWNER, BERLIN, timedelta(0)).spans) > 1
    done = bill(store, "", dry_run=True)
    monkeypatch.setattr("gridwright.jobs.billing.billed_spans._is_filled", lambda *_: True)
    assert len(spans_reached(store, LOCAL_OWNER, BERLIN, timedelta(0)).spans) == 1
    every = bill(store, "", dry_run=True)
    assert [(each.period, each.key) for each in done.bills] == [(each.period, each.key) for each in every.bills]
    assert done.notes == every.notes != []


def test_an_edit_of_a_month_near_by_is_billed_with_the_readings(store: Store) -> None:
    store.readings.save(LOCAL_OWNER, hours(START, END - 10 * timedelta(days=1)), known_at=NOW)
    edited(store, END - 2 * HOUR)
    assert [each.period for each in bill(store, "").bills] == [Interval(START, END)]


@ON_SERVERS
def test_a_month_without_any_value_gets_no_draft_unless_it_is_asked_for(store: Store) -> None:
    autumn = START - timedelta(days=100)
    for panel in (hours(START, END), hours(autumn, autumn + timedelta(days=3))):
        store.readings.save(LOCAL_OWNER, panel, known_at=NOW)
        correct(store, LOCAL_OWNER, SITE, now=NOW)
    run = bill(store, "")
    assert [each.period.start.astimezone(BERLIN.tz).month for each in run.bills] == [11, 3]
    (note,) = run.notes
    assert note.startswith("UP-1 has no value in 3 months from 2024-12 to 2025-02, so that there is no draft")
    february, _ = bill(store, "2025-02-01/2025-04-01").bills
    assert february.missing == february.intervals > 0
    # What is drafted already is looked at again.
    assert len(bill(store, "").bills) == 3


def test_usage_points_of_like_span_are_loaded_together() -> None:
    def days(first: int, last: int) -> Interval:
        return Interval(START + timedelta(days=first), START + timedelta(days=last))

    spans = [("A", days(0, 31)), ("B", days(2, 31)), ("A", days(-7000, -6999)), ("C", days(0, 31)), ("D", days(5, 9))]
    found = alike(spans)
    assert [(each.period, sorted(each.spans)) for each in found] == [
        (days(-7000, -6999), ["A"]),
        (days(0, 31), ["A", "B", "C", "D"]),
    ]
    assert found[1].holds("A", days(3, 31))
    assert not found[1].holds("A", days(-7000, -6999))
    assert not found[0].holds("B", days(2, 31))


def test_months_are_looked_at_as_they_are_there() -> None:
    there = Interval(datetime(2025, 1, 10, tzinfo=UTC), datetime(2025, 7, 10, tzinfo=UTC))
    away = {parse_month(each) for each in ("2025-01", "2025-02", "2025-05")}
    for billed, months in ((False, [(3, 4), (6, 7)]), (True, [(4, 4), (7, 7)])):
        found = open_months(there, BERLIN, away, lambda _, billed=billed: billed)  # type: ignore[misc]
        ends = [
            (each.start.astimezone(BERLIN.tz).month, (each.end - HOUR).astimezone(BERLIN.tz).month)
            for each in found.periods
        ]
        # March and June begin in a month that is away, by UTC: they are looked at until they are billed.
        assert ends == months
        assert found.left == ("2025-01", "2025-02", "2025-05")
    assert spelled(["2025-02"]) == "2025-02"
