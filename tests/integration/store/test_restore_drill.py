"""The restore drill: one history of everything, out of each database and into each other, whole and verified."""

from __future__ import annotations

import os
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.edit import EditState
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.meters.edit_readings import EditPolicy, EditWish, propose_edit
from gridwright.jobs.upkeep.archive_months import archive_months, restore_month
from gridwright.jobs.upkeep.back_up import back_up, restore
from gridwright.jobs.upkeep.look_after_keys import seal_store
from gridwright.jobs.upkeep.vault import Vault
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from tests.integration.store.conftest import left_alone
from tests.integration.store.test_backup import everything
from tests.integration.test_cascade import APRIL, GAP, HALF, HOME, MAY, START, again, bill_march, part, usage

NEEDED = ["archive_part", "block", "block_version", "bill", "bill_line", "correction", "data_key", "day_total"]
NEEDED += ["day_total_version", "edit", "finding", "ledger_line", "quarantined_reading", "register_reading"]
NEEDED += ["register_version", "usage_point"]
LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))


def history(store: Store, archive: Path) -> None:
    """A bill, a late reading, notes, an edit, times by slot, registers, quarantine, months in the archive."""
    store.registry.save_points(ME, [UsagePoint(HOME.id, HOME.zone, capacity_kw=17.0, attributes={"name": "Zoë 🏠"})])
    seal_store(store, ME)
    bill_march(store)
    store.readings.save(ME, part(usage(), GAP, 0.4), known_at=MAY)
    (less,) = again(store, MAY).corrections
    store.corrections.issue(ME, less.id)
    start = START + 75 * timedelta(days=1)
    wish = EditWish(HOME.id, Interval(start, start + HALF), "a defect", values=[1.5], evidence="photo")
    edit = propose_edit(store, Access("anna", Role.OPERATOR), wish, policy=EditPolicy(100.0), now=MAY)
    assert edit.state is EditState.APPLIED
    for hours in (1, 2):  # another series, whose slots become known one by one
        slot = Panel(("new",), START + hours * HALF, HALF, np.array([[7.0]]))
        store.readings.save(ME, slot, known_at=APRIL + timedelta(hours=hours), register=True)
    for value, hours in ((5.0, 0), (6.0, 1)):
        store.registers.save(ME, [RegisterReading(HOME.id, START, value)], known_at=APRIL + timedelta(hours=hours))
    store.quarantine.save(ME, [QuarantinedReading("stranger", START, 5.0, 900)], received=APRIL)
    again(store, MAY + timedelta(days=1))
    months = parse_month("2025-02")
    assert archive_months(store, ME, str(archive), before=months, drop_before=months).dropped


def faults(store: Store) -> dict[str, tuple[str, ...]]:
    return {check.name: check.first for check in verify_store(store, ME, deep=True).checks if check.faults}


def test_out_of_each_database_and_into_each_other(tmp_path: Path, postgres_url: str, mysql_url: str) -> None:
    """SQLite, PostgreSQL, MariaDB: a walk that takes three of the six ways, at length all; it goes on working there."""
    vault = Vault(tmp_path / "keys" / "secret.key")
    files = [str(tmp_path / f"{number}.db") for number in range(3)]
    for address in (postgres_url, mysql_url):
        left_alone(address)
    with open_store(files[0], master=vault) as store:
        history(store, tmp_path / "archive")
        assert faults(store) == {}
    before = everything(files[0])
    assert [name for name in NEEDED if not before[name]] == []
    walk = [files[0], postgres_url, mysql_url, files[1], *([mysql_url, postgres_url, files[2]] if LONG else [])]
    for number, (source, target) in enumerate(pairwise(walk)):
        path = tmp_path / f"{number}.gwb"
        back_up(ME, source, path, vault=vault, now=MAY)
        restore(path, target, vault, force=True)
        assert everything(target) == before, (source, target)
        with open_store(target, master=vault) as store:
            assert faults(store) == {}, (source, target)
    with open_store(walk[-1], master=vault) as store:
        assert store.registry.point(ME, HOME.id).attributes["name"] == "Zoë 🏠"
        for month in ("2024-12", "2025-01"):
            assert restore_month(store, ME, parse_month(month))
        then = APRIL + timedelta(hours=1)
        known = store.readings.load(ME, "new", Interval(START, START + 4 * HALF), image=Image.RAW, as_of=then)
        assert np.flatnonzero(~known.missing[0]).tolist() == [1]
        store.readings.save(ME, part(usage(), GAP, 0.9), known_at=MAY + timedelta(days=2))
        assert len(again(store, MAY + timedelta(days=2)).corrections) == 1
        assert faults(store) == {}
