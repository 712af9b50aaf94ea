"""The read of the instant at which a meter goes is its last one there, by whatever entrance, early or late."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gridwright.api.ingest.arrow import decode_csv
from gridwright.api.ingest.form import decode_form
from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.names import directory_of, resolve
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.panel import Panel
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.formats.source import ReadOptions
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.claim_meter import claim_meter
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.preview_claim import preview_claim
from gridwright.store import Store
from tests.integration.store.test_misreads import QUARTER, a_meter, quarters_of
from tests.integration.store.test_rollovers import ALL_TIME, HOUR, NOW, START, Place

# Where a read belongs is computed: how it is kept is the same for each case.
pytestmark = [pytest.mark.few_on_servers(2), pytest.mark.servers_in_turn]
AT = START + 2 * QUARTER  # the exchange
OLD, NEW = "M-A", "M-B"
# The old meter ends at 1,000.3 kWh, the new one begins at 0: 100 and 200 Wh by the one, 50 and 60 Wh by the other.
READS = {(OLD, 0): 1000.0, (OLD, 1): 1000.1, (OLD, 2): 1000.3, (NEW, 2): 0.0, (NEW, 3): 0.05, (NEW, 4): 0.11}
COUNTED = [100, 200, 50, 60]


@pytest.fixture
def place(store: Store) -> Place:
    """A usage point whose meter was exchanged without any read."""
    return exchanged(store)


def exchanged(
    store: Store, name: str = "A", *, final_kwh: Decimal | None = None, opening_kwh: Decimal | None = None
) -> Place:
    a_meter(store, name)
    evening = Panel((name,), START + 20 * HOUR, QUARTER, np.full((1, 1), 100.0))
    store.readings.save(ME, evening, known_at=NOW)
    new = Meter(NEW if name == "A" else f"{NEW}-{name}", dials=9, lsb_wh=1)
    exchange_meter(store, ME, MeterExchange(name, new, AT, final_kwh, opening_kwh), now=NOW)
    return Place(store)


def record(meter: str, quarter: int, kwh: float) -> dict[str, object]:
    return {"meter": meter, "at": (START + quarter * QUARTER).isoformat(), "register_kwh": kwh}


def post(place: Place, *records: dict[str, object]) -> None:
    place.post(decode_json(msgspec.json.encode(list(records)), Said(), NOW))


def chain(store: Store, name: str = "A") -> list[tuple[str, float, int]]:
    """Return meter, kWh and epoch of each read, the first epoch being 0: what came later may lie before it."""
    reads = store.registers.load(ME, name, ALL_TIME)
    return [(each.end_device, each.value / 1000, each.epoch - reads[0].epoch) for each in reads]


WHOLE = [(meter, kwh, int(meter == NEW)) for (meter, _), kwh in READS.items()]


def as_file(place: Place, folder: Path, *meters: str) -> None:
    rows = [f"{m},{START + q * QUARTER:%Y-%m-%dT%H:%M:%SZ},{kwh}" for (m, q), kwh in READS.items() if m in meters]
    path = folder / f"{'-'.join(meters)}.csv"
    path.write_text("\n".join(["meter_id,time,meter_reading_kwh", *rows, ""]))
    done = ingest_file(place.store, ME, path, ReadOptions(kind="cumulative"), known_at=NOW)
    assert done.intake.accepted == len(rows)


@pytest.mark.parametrize("several", [[(OLD, NEW)], [(OLD,), (NEW,)], [(NEW,), (OLD,)]])
def test_files_bring_it(place: Place, tmp_path: Path, several: list[tuple[str, ...]]) -> None:
    for meters in several:
        as_file(place, tmp_path, *meters)
    assert (chain(place.store), quarters_of(place.store, "A")) == (WHOLE, COUNTED)
    assert place.store.quarantine.meters(ME) == []


def test_posts_bring_it_in_whatever_order(store: Store) -> None:
    for number, order in enumerate(list(permutations(READS.items()))[::48]):
        name = f"P{number}"
        place = exchanged(store, name)
        for (meter, quarter), kwh in order:
            post(place, record(f"M-{name}" if meter == OLD else f"{NEW}-{name}", quarter, kwh))
        assert quarters_of(store, name) == COUNTED, order
        assert [epoch for *_, epoch in chain(store, name)] == [0, 0, 0, 1, 1, 1], order


def test_one_request_brings_it(place: Place) -> None:
    post(place, *(record(*which, kwh) for which, kwh in READS.items()))
    assert (chain(place.store), quarters_of(place.store, "A")) == (WHOLE, COUNTED)


@pytest.mark.parametrize("entrance", ["csv", "form"])
def test_other_entrances_do(place: Place, entrance: str) -> None:
    for (meter, quarter), kwh in READS.items():
        at = (START + quarter * QUARTER).isoformat()
        if entrance == "csv":
            place.post(decode_csv(f"meter,at,register_kwh\n{meter},{at},{kwh}\n".encode(), Said(), NOW))
        else:
            body = f"meter_id={meter}&at={at.replace('+', '%2B')}&reading={kwh}".encode()
            place.post(decode_form(body, "application/x-www-form-urlencoded", NOW))
    assert (chain(place.store), quarters_of(place.store, "A")) == (WHOLE, COUNTED)


def test_it_supersedes_nothing_that_the_exchange_wrote_of_the_other_meter(store: Store) -> None:
    """The exchange told both reads: the same final one again changes nothing, another corrects it."""
    place = exchanged(store, final_kwh=Decimal("1000.3"), opening_kwh=Decimal(0))
    for which, kwh in READS.items():
        post(place, record(*which, kwh))
    assert (chain(store), quarters_of(store, "A")) == (WHOLE, COUNTED)
    post(place, record(OLD, 2, 1000.25))
    assert quarters_of(store, "A") == [100, 150, 50, 60]
    assert (NEW, 0.0, 1) in chain(store)


def test_intervals_and_later_reads_of_it_still_wait(place: Place) -> None:
    later = record(OLD, 3, 1000.4)
    energy = {"meter": OLD, "start": AT.isoformat(), "kwh": 0.1, "interval_s": 900}
    decoded = decode_json(msgspec.json.encode([later, energy]), Said(), NOW)
    directory = directory_of(place.store.registry.keys(ME), place.store.registry.installed(ME), 0.0)
    found = resolve(decoded, directory, ME)
    assert (found.intervals, found.registers, found.few, decoded.verdicts.accepted) == ([], [], [], 0)


def test_what_waited_can_be_claimed(place: Place) -> None:
    """A read of that instant, the next interval, and a later read waited; the first one is the usage point's."""
    kinds = (DELIVERED_REGISTER, 0), (DELIVERED_ENERGY, 900)
    values = [(AT, 1_000_300.0, kinds[0]), (AT, 100.0, kinds[1]), (AT + HOUR, 1_000_400.0, kinds[0])]
    waiting = [QuarantinedReading(OLD, at, value, length, kind) for at, value, (kind, length) in values]
    place.store.quarantine.save(ME, waiting, received=NOW)
    claim = MeterClaim(OLD, "A")
    assert preview_claim(place.store, ME, claim, now=NOW).moving == 1
    done = claim_meter(place.store, ME, claim, now=NOW)
    assert (done.intervals, done.registers, done.moved) == (0, 1, 1)
    assert chain(place.store) == [(OLD, 1000.3, 0)]
    assert place.store.quarantine.waiting(ME, OLD) == 2


def test_nothing_of_it_is_doubted(place: Place) -> None:
    for which, kwh in READS.items():
        post(place, record(*which, kwh))
    correct(place.store, ME, SiteDefaults(), now=NOW)
    told = [each for each in place.store.findings.load(ME, ["A"]) if each.code in {"V02_ident", "V32_register"}]
    assert [each.severity for each in told] == ["info"]  # that another meter was installed


def test_a_meter_that_hangs_elsewhere_from_then_on_is_read_there(store: Store) -> None:
    place = exchanged(store)
    store.registry.save_points(ME, [UsagePoint("B")])
    store.registry.exchange_meter(ME, install("B", OLD, AT))
    post(place, record(OLD, 2, 1000.3))
    assert [each.at for each in store.registers.load(ME, "A", ALL_TIME)] == []
    assert chain(store, "B") == [(OLD, 1000.3, 0)]
