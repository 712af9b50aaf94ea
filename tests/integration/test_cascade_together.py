"""Several at work on one home at once, and changes that come while it is dealt with: one end, and nothing twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from sqlalchemy import text

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.bill import BillState
from gridwright.domain.correction import Correction, CorrectionState
from gridwright.domain.image import Image
from gridwright.jobs.billing import run_billing as billing
from gridwright.jobs.cascade import correct as correcting
from gridwright.jobs.cascade import rerate as rating
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.make_final import make_final
from gridwright.jobs.cascade.rerate import rated
from gridwright.jobs.load.load_final import load_final
from gridwright.jobs.meters.edit_readings import EditPolicy, EditWish, propose_edit
from gridwright.store import Store, open_store
from tests.integration.store import conftest
from tests.integration.test_cascade import GAP, HALF, HOME, MAY, SITE, again, bill, issued_march, part, state_of, usage

OTHER = slice(GAP.start + 96, GAP.stop + 96)
DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return str(request.getfixturevalue("emptied"))


@pytest.fixture
def emptied(postgres_url: str) -> str:
    return conftest.emptied(postgres_url)


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with open_store(address) as opened:
        opened.registry.save_points(LOCAL_OWNER, [HOME])
        yield opened


def late(store: Store, cells: slice = GAP, factor: float = 0.4) -> None:
    store.readings.save(LOCAL_OWNER, part(usage(), cells, factor), known_at=MAY)


def drafts(store: Store) -> list[Correction]:
    return store.corrections.page(LOCAL_OWNER, state=CorrectionState.DRAFT)


def in_a_process(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        try:
            work()
            os._exit(0)
        finally:
            os._exit(3)
    return child


def test_two_processes_at_once_come_to_the_end_of_one(address: str) -> None:
    def change(store: Store) -> None:
        store.registry.save_points(LOCAL_OWNER, [HOME])
        issued_march(store)
        late(store)
        late(store, OTHER)

    def work() -> None:
        with open_store(address) as mine:
            again(mine, MAY)

    with open_store("sqlite://") as calm:
        change(calm)
        again(calm, MAY)
        expected = state_of(calm)
    with open_store(address) as store:
        change(store)
    children = [in_a_process(work) for _ in range(3)]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    with open_store(address) as store:
        # Whoever was overtaken has left its part to this run.
        again(store, MAY)
        assert state_of(store) == expected
        store.audit.verify(LOCAL_OWNER)


def test_who_rates_last_has_read_last(emptied: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readings that come between the reading of a bill's usage and its note make the note, whoever is slower."""
    real, started = load_final, list[Thread]()

    def second() -> None:
        with open_store(emptied) as theirs:
            late(theirs, OTHER, 0.2)
            again(theirs, MAY)

    def slow(store: Store, *given: object, **more: object) -> object:
        found = real(store, *given, **more)  # type: ignore[arg-type]
        if not started:
            started.append(Thread(target=second))
            started[0].start()
            while started[0].is_alive() and not waits(store):
                time.sleep(0.01)
        return found

    with open_store(emptied) as store, open_store("sqlite://") as calm:
        for each in (store, calm):
            each.registry.save_points(LOCAL_OWNER, [HOME])
            issued_march(each)
            late(each)
        late(calm, OTHER, 0.2)
        again(calm, MAY)
        monkeypatch.setattr(rating, "load_final", slow)
        again(store, MAY)
        started[0].join()
        assert [(note.id, note.total) for note in drafts(store)] == [(note.id, note.total) for note in drafts(calm)]
        assert store.rerates.pending(LOCAL_OWNER) == []


@pytest.mark.parametrize("issued", [False, True])
def test_a_bill_is_kept_as_its_readings_are_when_it_is_kept(
    address: str, monkeypatch: pytest.MonkeyPatch, issued: bool
) -> None:
    """Readings carried through by another process between a bill's making and its keeping are in what is kept."""
    real, others = rated, list[Thread]()

    def second() -> None:
        with open_store(address) as theirs:
            late(theirs, OTHER, 0.2)
            again(theirs, MAY)

    def overtaken(*given: object, **more: object) -> object:
        found = real(*given, **more)  # type: ignore[arg-type]
        if not others:
            others.append(Thread(target=second))
            others[0].start()
            others[0].join()
        return found

    def begun(store: Store) -> None:
        store.registry.save_points(LOCAL_OWNER, [HOME])
        if issued:
            issued_march(store)
        late(store) if issued else store.readings.save(LOCAL_OWNER, usage(), known_at=MAY)

    with open_store(address) as store, open_store("sqlite://") as calm:
        begun(store)
        begun(calm)
        late(calm, OTHER, 0.2)
        again(calm, MAY)
        bill(calm, "2025-03", MAY)
        monkeypatch.setattr(billing, "rated", overtaken)
        run = bill(store, "2025-03", MAY)
        monkeypatch.setattr(billing, "rated", real)
        assert len(others) == 1
        assert [(note.id, note.total) for note in drafts(store)] == [(note.id, note.total) for note in drafts(calm)]
        assert len(drafts(store)) == issued
        kept = [each.bill for each in store.ledger.bills(LOCAL_OWNER) if each.bill.state is not BillState.CANCELLED]
        assert [each.key for each in kept] == [each.bill.key for each in calm.ledger.bills(LOCAL_OWNER)]
        if not issued:
            assert [each.key for each in run.bills] == [each.key for each in kept]


def waits(store: Store) -> bool:
    """Tell whether somebody waits for a lock."""
    with store._engine.connect() as plain:
        return bool(plain.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())


@pytest.mark.parametrize("what", ["reading", "edit"])
def test_what_comes_while_a_home_is_judged_is_judged_next(
    store: Store, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    issued_march(store)
    late(store)
    real = make_final

    def overtaken(*given: object, **more: object) -> object:
        found = real(*given, **more)  # type: ignore[arg-type]
        monkeypatch.setattr(correcting, "make_final", real)
        if what == "reading":
            late(store, GAP, 0.7)
        else:
            period = part(usage(), GAP).period
            propose_edit(
                store, LOCAL_OWNER, EditWish("UP-1", period, "seen", total=Decimal(6)), policy=EditPolicy(), now=MAY
            )
        return found

    monkeypatch.setattr(correcting, "make_final", overtaken)
    first = correct(store, LOCAL_OWNER, SITE, now=MAY)
    assert (first.waiting > 0, first.readings, first.new) == (True, 0, 0)
    assert correct(store, LOCAL_OWNER, SITE, now=MAY).waiting == 0
    made = store.readings.load(LOCAL_OWNER, "UP-1", part(usage(), GAP).period, interval=HALF, image=Image.FINAL)
    if what == "reading":
        np.testing.assert_array_equal(made.values, part(usage(), GAP, 0.7).values)
    else:
        assert made.values.sum() == 6_000
        assert q.has_status(made.quality, (q.Status.EDITED,)).all()
    assert len(again(store, MAY).corrections) == 1


def test_a_second_late_reading_replaces_a_draft_and_follows_a_note(store: Store) -> None:
    """One open draft at a time; what was issued stays, and every step can be read as it was known."""
    march = issued_march(store)
    energy = list[Decimal]()
    for step, factor in enumerate((0.4, 0.7, 0.7), start=1):
        now = MAY + DAY * step
        store.readings.save(LOCAL_OWNER, part(usage(), GAP, factor), known_at=now)
        again(store, now)
        energy += [each.now.energy_kwh for each in drafts(store)]
    # The third brought nothing new: the draft is the same.
    assert energy[0] < energy[1] == energy[2]
    (draft,) = drafts(store)
    number = store.corrections.issue(LOCAL_OWNER, draft.id)
    store.readings.save(LOCAL_OWNER, part(usage(), OTHER, 0.5), known_at=MAY + DAY * 9)
    again(store, MAY + DAY * 9)
    (second,) = drafts(store)
    assert (second.base_key, second.total < 0) == (draft.now.key, True)
    kept = store.corrections.of_bill(LOCAL_OWNER, march)
    assert [(each.id, each.number) for each in kept] == [(draft.id, number), (second.id, None)]
    for step, factor in ((1, 0.4), (2, 0.7), (8, 0.7)):
        then = store.readings.load(
            LOCAL_OWNER,
            "UP-1",
            part(usage(), GAP).period,
            interval=HALF,
            image=Image.FINAL,
            as_of=MAY + DAY * step,
        )
        np.testing.assert_array_equal(then.values, part(usage(), GAP, factor).values)
    store.readings.save(LOCAL_OWNER, part(usage(), OTHER), known_at=MAY + DAY * 10)
    again(store, MAY + DAY * 10)
    assert drafts(store) == []
    assert store.corrections.of_bill(LOCAL_OWNER, march) == kept[:1]
