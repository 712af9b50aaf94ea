"""Over HTTP: what reads of a meter told that never hung there is billed to nobody, once its exchange is cancelled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.work import tasks
from tests.integration.api.small_town import NOW, Town
from tests.integration.test_cascade import FLAT_CARD

MIDNIGHT = datetime(2026, 10, 4, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
THREE = MIDNIGHT + 12 * QUARTER
NIGHT = Interval(MIDNIGHT, MIDNIGHT + 16 * QUARTER)
T1 = "/v1/usage-points/T1/meter-exchange"
UNDO = {"at": THREE.isoformat(), "reason": "wrong point", "with_reads": True}


@pytest.fixture
def town(town: Town) -> Town:
    """Its meter showed 10 to 22 kWh at 13 quarter-hours until three, when another came, at 7 kWh."""
    store = town.platform.store
    store.registry.save_points(ME, [UsagePoint("T1", "Europe/Berlin", capacity_kw=40.0)])
    store.registry.save_meter(ME, Meter("TA"))
    store.registry.save_installation(ME, install("T1", "TA", MIDNIGHT - timedelta(days=1)))
    for slot in range(13):
        read(town, "TA", slot, 10.0 + slot)
    order = {"serial": "TB", "at": THREE.isoformat(), "final_kwh": 22, "opening_kwh": 7}
    assert town.post(T1, order).status_code == HTTPStatus.CREATED
    for slot, kwh in ((13, 10), (14, 13), (15, 17)):
        read(town, "TB", slot, kwh)
    return town


def read(town: Town, meter: str, slot: int, kwh: float) -> None:
    one: dict[str, Any] = {"meter": meter, "at": (MIDNIGHT + slot * QUARTER).isoformat(), "register_kwh": kwh}
    answer = town.post("/v1/readings", one).json()
    assert (answer["accepted"], answer.get("quarantined", 0)) == (1, 0), answer


def kwh(town: Town) -> list[float]:
    """Return the final energy of sixteen quarter-hours from midnight on, those that are known, in kWh."""
    tasks.correct(town.platform)
    final = town.platform.store.readings.load(ME, "T1", NIGHT, image=Image.FINAL)
    return [float(each) for each in final.kwh[0][~final.missing[0]]]


def billed(town: Town) -> float:
    order = BillOrder(["T1"], "2026-10", dry_run=True)
    (bill,) = run_billing(town.platform.store, ME, order, lambda _: FLAT_CARD, SiteDefaults(), now=NOW).bills
    return float(sum(line.quantity for line in bill.lines if line.unit == "kWh"))


def test_a_bill_holds_what_the_meter_told_that_hung_there(town: Town) -> None:
    """12 of its own and 3 + 3 + 4 of the other; cancelled, 12."""
    assert (sum(kwh(town)), billed(town)) == (22.0, 22.0)
    told = town.post(f"{T1}/cancel/preview", UNDO).json()["doubts"]
    assert any("3 intervals" in each and "10.000 kWh are taken back" in each for each in told)
    assert town.post(f"{T1}/cancel", UNDO).status_code == HTTPStatus.OK
    assert (sum(kwh(town)), billed(town)) == (12.0, 12.0)


def test_right_reads_of_the_old_meter_tell_it(town: Town) -> None:
    """Half, half and one kWh in the quarters of which the other meter had told 3, 3 and 4."""
    assert town.post(f"{T1}/cancel", UNDO).status_code == HTTPStatus.OK
    for slot, shown in ((13, 22.5), (14, 23.0), (15, 24.0)):
        read(town, "TA", slot, shown)
    assert kwh(town) == [1.0] * 12 + [0.5, 0.5, 1.0]
    doubts = town.platform.store.findings.load(ME, ["T1"])
    assert [each for each in doubts if each.severity == "fail" or each.code == "V03_duplicate"] == []


def test_the_exchange_done_again_tells_it_again(town: Town) -> None:
    """The other meter came at another reading and stands behind transformers of 2: twice 2, 3 and 4 kWh."""
    assert town.post(f"{T1}/cancel", UNDO).status_code == HTTPStatus.OK
    order = {"serial": "TB", "at": THREE.isoformat(), "final_kwh": 22, "opening_kwh": 8, "multiplier": 2}
    assert town.post(T1, order).status_code == HTTPStatus.CREATED
    assert kwh(town) == [1.0] * 12 + [4.0, 6.0, 8.0]
