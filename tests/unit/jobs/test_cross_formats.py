"""Each file of the trade, exported in each format and read elsewhere: what is not the same there was said.

Values and instants are never other ones. Real files come from the shared data, as PROVENANCE.md there tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import NotFound, UsageError
from gridwright.domain.interval import Interval, epoch_s, from_epoch_s
from gridwright.domain.reading_type import ReadingType
from gridwright.formats.registry import writer_named, writers
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files.export_readings import Export, Wanted, plan_export
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.store import Store, open_store

NOW = datetime(2026, 6, 1, tzinfo=UTC)
EVER = Interval(from_epoch_s(0), from_epoch_s(4 * 10**9))
NEM = "interchange/nem12_nem13"
DATAHUB = "interchange/dk_datahub/Tests/CimMessageAdapter/Messages"
ESPI = "interchange/greenbutton/openespi/src/test/resources/fixtures"
REAL = {
    "one channel, actual and substituted": f"{NEM}/unzipped/Example_NEM12_multiple_quality.csv",
    "energy and reactive energy, final": f"{NEM}/unzipped/Example_NEM12_substituted_interval.csv",
    "two channels and a voltage": f"{NEM}/unzipped/Example_NEM12_different_interval_length.csv",
    "delivered and received": f"{NEM}/nem12/NEM12#SCENARIO10#UNITEDDP#NEMMCO.zip",
    "a basic meter": f"{NEM}/nem13/NEM13#Scenario11#ETSAMDP#NEMMCO.zip",
    "registers at odd seconds": f"{NEM}/unzipped/Example_NEM13_consumption_data.csv",
    "estimated registers": f"{NEM}/unzipped/Example_NEM13_forward_estimate.csv",
    "a Swiss load profile": "interchange/mscons/MSCONS_LG_12X-0000000858-F_12XBKW-HANDEL--X_20140304_1406300423489.txt",
    "a day of 23 hours": f"{ESPI}/test_usage_data_11.xml",
    "two Danish series": f"{DATAHUB}/json/MeteredDataForMeteringPoint/"
    "ValidMeteredDataForMeteringPointWithTwoTransactions.json",
    "a Danish series in ebIX": f"{DATAHUB}/ebix/MeteredDataForMeteringPoint/ValidMeteredDataForMeteringPoint.xml",
}
# What comes back as another series, at another instant, or as if a meter had sent it, changes the store that it is of.
OTHERWISE = ("cannot tell channel", "has no seconds", "of a register read", "raw:register comes back as raw")
QUARTERS = [f"2025-03-30 {minute // 60:02d}:{minute % 60:02d}" for minute in range(600, 1440, 15)]
SEEDED = {
    "letters of CMEP": (
        "cmep",
        (
            "MEPMD01,1,S,,,M7,202503010015,M7,OK,E,KWH,1,00000015,3,202503010015,V0,0.25,202503010030,E0,0.5,,A0,0.75\n"
            "MEPMD01,1,S,,,M7,202503020000,M7,OK,E,GKWHREG,1,00000000,2,202503010000,V0,100,202503020000,V0,103.5\n"
        ),
    ),
    "hours of a spring day": (
        "csv",
        "meter,time,kwh,quality\n"
        + "".join(
            f"A,2025-03-30 {hour:02d}:00,{hour}.5,{'E' if hour % 3 else 'A'}\n" for hour in (0, 1, *range(3, 24))
        ),
    ),
    "a row a day": (
        "wide-csv",
        "meter,date,unit," + ",".join(map(str, range(1, 49))) + "\nB,2025-07-01,kWh" + ",0.125" * 48 + "\n",
    ),
    "power drawn and fed in, and volts": (
        "csv",
        "meter,time,import_kw,export_kw,voltage_l1\n"
        + "".join(f"A,{at},{slot % 7}.25,{slot % 5}.5,{230 + slot % 3}.4\n" for slot, at in enumerate(QUARTERS)),
    ),
    "registers of two directions": (
        "csv",
        "meter,time,obis,register reading\n"
        + "".join(f"A,{at},1.8.0,{100 + slot}.5\nA,{at},2.8.0,{200 + slot}\n" for slot, at in enumerate(QUARTERS)),
    ),
}
Key = tuple[str, ReadingType, int, int]  # usage point, meaning, interval, instant


@dataclass(frozen=True)
class Held:
    """What a store holds: zones; value in base units and quality of each interval; and meter, too, of each read."""

    zones: dict[str, str]
    intervals: dict[Key, tuple[float, int]]
    reads: dict[Key, tuple[float, int, str]]


def held(store: Store) -> Held:
    points = {point.id: point.zone for point in store.registry.points(ME)}
    intervals: dict[Key, tuple[float, int]] = {}
    for extent in store.readings.extents(ME, list(points)):
        kind, step = extent.reading_type, timedelta(seconds=extent.interval_s)
        whole = Interval(from_epoch_s(extent.first_day * 86_400), from_epoch_s(extent.last_day * 86_400))
        panel = store.readings.load(ME, extent.usage_point, whole, reading_type=kind, interval=step)
        for slot in np.flatnonzero(~panel.missing[0]).tolist():
            key = (
                extent.usage_point,
                kind.finer(0),
                extent.interval_s,
                epoch_s(panel.start) + slot * extent.interval_s,
            )
            intervals[key] = (round(panel.values[0, slot] * kind.resolution, 9), int(panel.quality[0, slot]))
    reads = {
        (point, kind.finer(0), 0, epoch_s(read.at)): (
            round(read.value * kind.resolution, 9),
            read.quality,
            read.end_device,
        )
        for point in points
        for kind in store.registers.kinds(ME, point)
        for read in store.registers.load(ME, point, EVER, kind)
    }
    return Held(points, intervals, reads)


def brought(path: Path, zone: str = "") -> Iterator[Store]:
    with open_store("sqlite://") as store:
        done = ingest_file(store, ME, path, ReadOptions(zone=zone), known_at=NOW)
        assert done.intake.rejected == 0
        yield store


def exported(store: Store, name: str, folder: Path) -> tuple[Path, Export] | None:
    """Write an export; None where there is nothing that the format holds, which is refused with the reason."""
    plan = plan_export(store, ME, writer_named(name), Wanted())
    path = folder / f"export{writer_named(name).suffix}"
    try:
        path.write_bytes(b"".join(plan.pieces()))
    except (NotFound, UsageError):
        return None
    return path, plan


def without_channel(key: Key) -> tuple[object, ...]:
    point, kind, interval, at = key
    return point, kind.quantity, kind.flow, kind.accumulation, interval, at


def check_values(before: Held, after: Held, said: str) -> None:
    """Each value that went out is there at its instant, under its channel or without one where that was said."""
    ours: dict[Key, tuple[float, int]] = before.intervals | {key: one[:2] for key, one in before.reads.items()}
    theirs: dict[Key, tuple[float, int]] = after.intervals | {key: one[:2] for key, one in after.reads.items()}
    bare = {without_channel(key): one for key, one in theirs.items()}
    for key, (value, quality) in ours.items():
        if f"cannot tell channel {key[1].channel or '(none)'} from" in said:
            continue  # one of several goes out: the others are known by their name alone
        found = theirs.get(key)
        if found is None:
            found = bare.get(without_channel(key))
            assert found is None or "does not tell every channel" in said, key
        if found is None or found[0] != value:
            odd = key[2] == 0 and key[3] % 60
            told = "has no seconds" in said if odd else key[0] in said or "usage points, such as" in said
            assert told, (key, value, found)
            assert found is None, (key, value, found)
        elif found[1] != quality:
            assert "no word for every quality" in said, (key, quality, found)
    known = {without_channel(key)[:-1] for key in ours}
    assert all(without_channel(key)[:-1] in known for key in theirs)


def check(before: Held, after: Held, plan: Export) -> None:
    said = " ".join([*plan.left_out, *plan.notes])
    check_values(before, after, said)
    for point, zone in after.zones.items():
        assert before.zones[point] == zone or f"zone {before.zones[point]}" in said
    for key, (*_, meter) in before.reads.items():
        found = after.reads.get(key)
        unnamed = not meter and found is not None and found[2] == key[0]  # CMEP has one name for point and meter
        assert found is None or found[2] == meter or unnamed or "which meter" in said


def crossed(path: Path, name: str, folder: Path) -> None:
    for store in brought(path):
        before = held(store)
        assert before.intervals or before.reads
        written = exported(store, name, folder)
        if written is None:
            assert name in {"nem13", "wide-csv", "mscons"}
            return
        out, plan = written
        zone = next(iter(before.zones.values())) if name == "wide-csv" else ""
        for other in brought(out, zone):
            check(before, held(other), plan)
        said = " ".join([*plan.left_out, *plan.notes])
        if not any(words in said for words in OTHERWISE):
            again = ingest_file(store, ME, out, ReadOptions(zone=zone), known_at=NOW + timedelta(days=1))
            assert (again.new, again.changed, again.aside, again.findings) == (0, 0, 0, 0)
            assert held(store) == before


@pytest.mark.parametrize("name", sorted(writers()))
@pytest.mark.parametrize("source", REAL)
def test_what_a_real_file_loses_on_its_way_was_said(shared_data: Path, source: str, name: str, tmp_path: Path) -> None:
    crossed(shared_data / REAL[source], name, tmp_path)


@pytest.mark.parametrize("name", sorted(writers()))
@pytest.mark.parametrize("source", SEEDED)
def test_what_a_seeded_file_loses_on_its_way_was_said(source: str, name: str, tmp_path: Path) -> None:
    form, text = SEEDED[source]
    path = tmp_path / f"seeded{writer_named(form).suffix}"
    path.write_text(text)
    crossed(path, name, tmp_path)
