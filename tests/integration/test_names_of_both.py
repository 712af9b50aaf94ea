"""A name that a usage point and a meter elsewhere both bear means the same at every entrance, which says what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from gridwright.api.answer import Answer
from gridwright.api.entrance import tell_readings
from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.lines import LineMapping, decode_alike, decode_lines, usual_fields
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.names import Directory, directory_of, resolve
from gridwright.api.write.batch import Batch
from gridwright.api.write.batches import write
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_REGISTER
from gridwright.domain.usage_point import FOREVER, Installation, Meter, UsagePoint
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.store import Store, open_store

HOUR = timedelta(hours=1)
START = datetime(2025, 3, 1, tzinfo=UTC)
DAY, NOW = Interval(START, START + 24 * HOUR), START + 30 * 24 * HOUR
SENT = ("A", "TWIN", "M2", "C")
# TWIN is a usage point, and a meter that hung at A; M2 is a meter at B alone; C is a meter at usage point C.
HUNG = (("TWIN", "A", 0, 10), ("M2", "B", 0, 24), ("C", "C", 0, 24))


def a_store(path: Path) -> Store:
    store = open_store(path)
    store.registry.save_points(ME, [UsagePoint(name) for name in ("A", "B", "C", "TWIN")])
    for meter, point, first, last in HUNG:
        until = FOREVER if last == 24 else START + last * HOUR
        store.registry.save_meter(ME, Meter(meter))
        store.registry.save_installation(ME, Installation(point, meter, Interval(START + first * HOUR, until)))
    return store


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    with a_store(tmp_path / "http.db") as http, a_store(tmp_path / "file.db") as file:
        yield http, file


def directory(store: Store) -> Directory:
    return directory_of(store.registry.keys(ME), store.registry.installed(ME), 0.0)


def post(store: Store, records: list[dict[str, Any]], access: Access = ME) -> dict[str, Any]:
    decoded, known = decode_json(msgspec.json.encode(records), Said(), NOW), directory(store)
    batch = Batch(access, NOW, decoded, resolve(decoded, known, access), known, tell_readings, None)
    (answer,) = write(store, [batch], NOW)
    assert isinstance(answer, Answer)
    told: dict[str, Any] = msgspec.json.decode(answer.body)
    return told


def bring(store: Store, path: Path, lines: list[str], header: str) -> tuple[str, ...]:
    path.write_text("\n".join([header, *lines, ""]))
    kind = "cumulative" if "register" in header else "interval"
    done = ingest_file(store, ME, path, ReadOptions(kind=kind, interval_minutes=60), known_at=NOW)
    assert done.intake.rejected == 0, done.intake.rejects
    return tuple(done.intake.notes)


def energy(store: Store) -> dict[str, float]:
    there = {one.usage_point for one in store.readings.extents(ME, ["A", "B", "C", "TWIN"])}
    return {one: float(np.nansum(store.readings.load(ME, one, DAY, interval=HOUR).values)) for one in sorted(there)}


@pytest.mark.parametrize("hours", [1, 24])
def test_intervals_go_to_the_same_place(stores: tuple[Store, Store], tmp_path: Path, hours: int) -> None:
    http, file = stores
    rows = [(name, START + hour * HOUR, at + 1) for at, name in enumerate(SENT) for hour in range(hours)]
    word = {"A": "usage_point", "TWIN": "meter", "M2": "meter_id", "C": "meter"}
    records = [{word[name]: name, "start": f"{at:%Y-%m-%dT%H:%M}Z", "kwh": kwh} for name, at, kwh in rows]
    told = post(http, [record | {"interval_s": 3600} for record in records])
    notes = bring(
        file, tmp_path / "m.csv", [f"{n},{at:%Y-%m-%dT%H:%M}Z,{kwh}" for n, at, kwh in rows], "meter,time,kwh"
    )
    assert told["accepted"] == len(rows)
    expected = {"A": 1000.0 * hours, "B": 3000.0 * hours, "C": 4000.0 * hours, "TWIN": 2000.0 * hours}
    assert energy(http) == energy(file) == expected
    (said,) = told["notes"]
    assert said in notes
    assert said.startswith("TWIN is a usage point, and a meter of that name hung at A")


def test_registers_go_to_the_same_place(stores: tuple[Store, Store], tmp_path: Path) -> None:
    http, file = stores
    rows = [(name, START + hour * HOUR, 10 * (at + 1) + hour) for at, name in enumerate(SENT) for hour in range(24)]
    post(http, [{"meter": n, "at": f"{at:%Y-%m-%dT%H:%M}Z", "register_kwh": kwh} for n, at, kwh in rows])
    bring(
        file, tmp_path / "m.csv", [f"{n},{at:%Y-%m-%dT%H:%M}Z,{kwh}" for n, at, kwh in rows], "meter,time,register_kwh"
    )
    of = [
        {
            point: [(read.at, read.value, read.end_device) for read in store.registers.load(ME, point, DAY, kind)]
            for point in ("A", "B", "C", "TWIN")
        }
        for store, kind in ((http, DELIVERED_REGISTER), (file, DELIVERED_REGISTER))
    ]
    assert of[0] == of[1]
    assert [len(reads) for reads in of[0].values()] == [24, 24, 24, 24]


def test_lines_go_there_too(stores: tuple[Store, Store]) -> None:
    http, _ = stores
    known, mapping = directory(http), LineMapping(usual_fields())
    seconds = int(START.timestamp())
    body = "".join(f"energy,meter=TWIN energy_kwh=0.5 {seconds + 900 * at}\n" for at in range(8)).encode()
    for decode in (decode_alike, decode_lines):
        decoded = decode(body, mapping, "s", NOW)
        assert decoded is not None
        found = resolve(decoded, known, ME)
        points = {name for readings in found.intervals for name in readings.points} | {one.name for one in found.few}
        assert points == {"TWIN"}


def test_where_the_meter_hung_is_told_to_whom_may_see_it(stores: tuple[Store, Store]) -> None:
    http, _ = stores
    record = {"usage_point": "TWIN", "start": "2025-03-01T00:00Z", "kwh": 1, "interval_s": 3600}
    whose = Access("meter", Role.DEVICE, frozenset({"TWIN"}))
    told = post(http, [record], whose)
    assert (told["accepted"], "notes" in told) == (1, False)
    assert "notes" in post(http, [record])
