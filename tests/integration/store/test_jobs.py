from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied, Conflict, NotFound
from gridwright.domain.job import Job, JobState
from gridwright.store import Store

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
KINDS = ("bill-run", "refresh")


def a_job(number: int, kind: str = "bill-run", by: str = "ann") -> Job:
    return Job(f"J-{number}", kind, by, NOW, {"period": "2025-05", "points": ["UP-1"]})


def test_a_job_from_order_to_result(store: Store) -> None:
    job = a_job(1)
    store.jobs.add(ME, job)
    store.jobs.add(ME, job)
    with pytest.raises(Conflict, match="another"):
        store.jobs.add(ME, replace(job, kind="refresh"))
    taken = store.jobs.claim(ME, KINDS, NOW)
    assert taken == replace(job, state=JobState.RUNNING)
    assert dict(taken.request) == dict(job.request)
    assert store.jobs.claim(ME, KINDS, NOW) is None
    store.jobs.save(ME, replace(taken, done=3, total=10))
    assert store.jobs.job(ME, "J-1").done == 3
    ended = replace(taken, state=JobState.DONE, done=10, total=10, result={"bills": 10}, ended=NOW)
    store.jobs.save(ME, ended)
    store.jobs.save(ME, ended)
    assert store.jobs.job(ME, "J-1") == ended
    assert dict(store.jobs.job(ME, "J-1").result) == {"bills": 10}
    with pytest.raises(Conflict, match="done already"):
        store.jobs.save(ME, replace(ended, state=JobState.FAILED))
    with pytest.raises(NotFound):
        store.jobs.job(ME, "J-9")
    assert [each.detail["state"] for each in store.audit.records(ME)] == ["done", "running", "queued"]


def test_what_was_asked_for_stays(store: Store) -> None:
    store.jobs.add(ME, a_job(1))
    with pytest.raises(Conflict, match="cannot be changed"):
        store.jobs.save(ME, replace(a_job(1), requested_by="bob"))


def test_the_oldest_of_the_kinds_first(store: Store) -> None:
    for number, kind in enumerate(("refresh", "bill-run", "refresh"), start=1):
        store.jobs.add(ME, a_job(number, kind))
    assert store.jobs.claim(ME, ["collect"], NOW) is None
    taken = [store.jobs.claim(ME, ["refresh"], NOW) for _ in range(3)]
    assert [job and job.id for job in taken] == ["J-1", "J-3", None]
    assert [job.id for job in store.jobs.find(ME)] == ["J-3", "J-2", "J-1"]
    assert [job.id for job in store.jobs.find(ME, states=[JobState.RUNNING], limit=1)] == ["J-3"]
    assert [job.id for job in store.jobs.find(ME, kind="bill-run")] == ["J-2"]


def test_no_job_is_taken_twice(store: Store, again: Callable[[], Store]) -> None:
    many = 12
    for number in range(many):
        store.jobs.add(ME, a_job(number))
    barrier, taken = threading.Barrier(3), []

    def work() -> None:
        with again() as mine:
            barrier.wait()
            while (job := mine.jobs.claim(ME, KINDS, NOW)) is not None:
                taken.append(job.id)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(f"J-{number}" for number in range(many))
    assert store.audit.verify(ME) == 2 * many


def test_what_a_worker_was_at_when_it_died_waits_again(store: Store) -> None:
    for number in (1, 2, 3):
        store.jobs.add(ME, a_job(number))
    first = store.jobs.claim(ME, KINDS, NOW)
    assert first is not None
    store.jobs.save(ME, replace(first, state=JobState.DONE, ended=NOW))
    second = store.jobs.claim(ME, KINDS, NOW)
    assert second is not None
    store.jobs.save(ME, replace(second, done=5, total=9))
    assert store.jobs.requeue_running(ME, NOW) == 1
    assert store.jobs.requeue_running(ME, NOW) == 0
    assert store.jobs.claim(ME, KINDS, NOW + timedelta(1)) == replace(a_job(2), state=JobState.RUNNING)


@pytest.mark.parametrize(
    ("role", "may"),
    [(Role.VIEWER, False), (Role.ANALYST, False), (Role.DEVICE, False), (Role.OPERATOR, True), (Role.BILLER, True)],
)
def test_who_only_looks_sets_no_work_going(store: Store, role: Role, may: bool) -> None:
    if may:
        store.jobs.add(Access("x", role), a_job(1))
        return
    with pytest.raises(AccessDenied):
        store.jobs.add(Access("x", role), a_job(1))


def test_a_customer_sees_their_own_orders(store: Store) -> None:
    store.jobs.add(ME, a_job(1, by="her"))
    store.jobs.add(ME, a_job(2))
    her = Access("her", Role.CUSTOMER, frozenset({"UP-1"}))
    assert [job.id for job in store.jobs.find(her)] == ["J-1"]
    assert store.jobs.job(her, "J-1").id == "J-1"
    with pytest.raises(AccessDenied):
        store.jobs.job(her, "J-2")
