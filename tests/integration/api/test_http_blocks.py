"""Interval blocks: three formats of the same numbers, as known at any time, on days of 23 and 25 hours."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import numpy as np
import pyarrow as pa
import pytest

from gridwright.api.blocks import _texts
from gridwright.app.live import correct
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import RECEIVED_ENERGY, VOLTAGE
from gridwright.domain.usage_point import UsagePoint
from tests.integration.api.small_town import NOW, START, Town

BLOCKS = "/v1/usage-points/UP-1/interval-blocks"
DAY = {"from": "2026-11-02T00:00:00Z", "to": "2026-11-03T00:00:00Z"}
ARROW = "application/vnd.apache.arrow.stream"


def test_three_formats_hold_the_same(shown_town: Town) -> None:
    as_json = shown_town.get(BLOCKS, params=DAY).json()
    text = shown_town.get(BLOCKS, params=DAY, headers={"Accept": "text/csv"}).text
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    stream = shown_town.get(BLOCKS, params=DAY, headers={"Accept": ARROW})
    table = pa.ipc.open_stream(stream.content).read_all()
    assert len(as_json["values"]) == len(rows) == table.num_rows == 96
    assert [float(row["value_kWh"]) for row in rows] == as_json["values"] == table["value_kWh"].to_pylist()
    assert rows[0]["start"] == as_json["from"] == "2026-11-02T00:00:00Z"
    assert table["start"][0].as_py() == datetime(2026, 11, 2, tzinfo=UTC)
    assert (as_json["unit"], as_json["interval_s"], set(as_json["quality"])) == ("kWh", 900, {"raw"})


@pytest.mark.parametrize(
    ("start", "end", "slots"),
    [
        ("2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00", 100),
        ("2026-10-25T00:00:00 02:00", "2026-10-26T00:00:00 01:00", 100),
        ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 100),
        ("2026-11-01T00:00:00+01:00", "2026-11-02T00:00:00+01:00", 96),
    ],
)
def test_a_civil_day_has_as_many_intervals_as_it_lasts(shown_town: Town, start: str, end: str, slots: int) -> None:
    block = shown_town.get(BLOCKS, params={"from": start, "to": end}).json()
    assert len(block["values"]) == slots
    assert None not in block["values"]


def test_the_final_image_is_what_the_cascade_made(town: Town) -> None:
    correct(town.platform)
    raw, final = (town.get(BLOCKS, params=DAY | {"image": image}).json() for image in ("raw", "final"))
    assert (final["values"], set(raw["quality"]), set(final["quality"])) == (raw["values"], {"raw"}, {"actual"})
    early = town.get(BLOCKS, params=DAY | {"image": "final", "as-of": "2026-11-01T00:00:00Z"}).json()
    assert set(early["values"]) == {None}
    assert town.get(BLOCKS, params=DAY | {"image": "best"}).status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_what_was_known_then(town: Town) -> None:
    before = town.get(BLOCKS, params=DAY).json()
    late = Panel(("UP-1",), datetime(2026, 11, 2, tzinfo=UTC), timedelta(minutes=15), np.array([[5000.0]]))
    town.platform.store.readings.save(LOCAL_OWNER, late, known_at=NOW + timedelta(hours=1))
    assert town.get(BLOCKS, params=DAY).json()["values"][0] == 5.0
    assert town.get(BLOCKS, params=DAY | {"as-of": "2026-11-25T12:30:00Z"}).json() == before
    early = town.get(BLOCKS, params=DAY | {"as-of": "2026-11-01T00:00:00Z"}).json()
    assert set(early["values"]) == {None}
    versions = town.get("/v1/usage-points/UP-1/versions?day=2026-11-02").json()["items"]
    assert [each["values"][0] for each in versions] == [before["values"][0], 5.0]
    assert [each["revision"] for each in versions] == [1, 2]


def test_spikes_survive_downsampling(town: Town) -> None:
    spike = Panel(("UP-1",), datetime(2026, 11, 2, 3, 30, tzinfo=UTC), timedelta(minutes=15), np.array([[9000.0]]))
    town.platform.store.readings.save(LOCAL_OWNER, spike, known_at=NOW)
    whole = town.get(BLOCKS, params=DAY).json()["values"]
    few = town.get(BLOCKS, params=DAY | {"points": 7}).json()
    assert len(few["columns"]) == len(few["mean"]) == 7
    assert (max(few["max"]), min(few["min"])) == (9.0, min(whole))
    assert sum(few["mean"][at] * 14 for at in range(6)) + few["mean"][6] * 12 == pytest.approx(sum(whole))
    assert town.get(BLOCKS, params=DAY | {"points": 500}).json()["values"] == whole
    lines = town.get(BLOCKS, params=DAY | {"points": 7}, headers={"Accept": "text/csv"}).text.splitlines()
    assert len(lines) == 8


def test_other_types_come_in_their_own_units(shown_town: Town) -> None:
    volts = shown_town.get(BLOCKS, params=DAY | {"reading-type": VOLTAGE.code}).json()
    assert volts["unit"] == "V"
    assert all(225 < value < 235 for value in volts["values"])
    back = shown_town.get(BLOCKS, params=DAY | {"reading-type": RECEIVED_ENERGY.code}).json()
    assert back["unit"] == "kWh"


def test_trusted_readings_are_complete(town: Town) -> None:
    gap = np.full((1, 4), np.nan)
    readings = town.platform.store.readings
    start = datetime(2026, 11, 26, tzinfo=UTC)
    values = np.concatenate([np.full((1, 8), 80.0), gap, np.full((1, 8), 80.0)], axis=1)
    readings.save(LOCAL_OWNER, Panel(("UP-1",), start, timedelta(minutes=15), values), known_at=NOW)
    period = {"from": "2026-11-26T00:00:00Z", "to": "2026-11-26T05:00:00Z"}
    raw = town.get(BLOCKS, params=period).json()
    trusted = town.get(BLOCKS, params=period | {"trusted": "true"}).json()
    assert raw["values"].count(None) == 4
    assert trusted["values"].count(None) == 0
    assert sum(each.startswith("estimated") for each in trusted["quality"]) >= 4


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-02"}, "from"),
        ({"from": "2026-11-02T00:00:00"}, "from"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "from"),
        ({"from": "9999-12-31T23:59:59-14:00"}, "from"),
        ({"from": ""}, "from"),
        ({"from": None}, "from"),
        ({"to": "2026-11-02T00:00:00Z"}, "to"),
        ({"to": "2026-11-01T00:00:00Z"}, "to"),
        ({"to": "2099-11-01T00:00:00Z"}, "to"),
        ({"points": "0"}, "points"),
        ({"points": "99999999999999999999"}, "points"),
        ({"reading-type": "electricity"}, "reading-type"),
        ({"reading-type": "electricity/delivered/energy/delta/400"}, "reading-type"),
        ({"reading-type": "\x00"}, "reading-type"),
        ({"as-of": "then"}, "as-of"),
        ({"trusted": "perhaps"}, "trusted"),
        ({"trusted": "true", "reading-type": VOLTAGE.code}, "trusted"),
    ],
)
def test_a_wrong_parameter_is_named(shown_town: Town, change: dict[str, str | None], name: str) -> None:
    query = {key: value for key, value in (DAY | change).items() if value is not None}
    answer = shown_town.get(BLOCKS, params=query)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, answer.text
    assert [each["name"] for each in answer.json()["errors"]] == [name]


def test_what_is_not_stored_names_what_is(shown_town: Town) -> None:
    answer = shown_town.get(BLOCKS, params=DAY | {"reading-type": "water/none/volume/delta/-3"})
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert VOLTAGE.code in answer.json()["remedy"]


def test_registers_are_half_open(shown_town: Town) -> None:
    path = "/v1/usage-points/UP-1/registers"
    query = {"from": START.isoformat(), "to": (START + timedelta(days=2)).isoformat()}
    items = shown_town.get(path, params=query).json()["items"]
    assert [(each["value"], each["end_device"]) for each in items] == [(1.0, "M-1"), (10.0, "M-1")]
    assert {each["unit"] for each in items} == {"kWh"}


def test_series_tell_what_is_there(shown_town: Town) -> None:
    items = shown_town.get("/v1/usage-points/UP-1/series").json()["items"]
    assert len(items) == 3
    assert {each["interval_s"] for each in items} == {900}
    assert {each["to"] for each in items} == {"2026-11-25T12:00:00Z"}


def test_a_balance_over_too_many_readings_is_refused(town: Town) -> None:
    names = [UsagePoint(f"WP-{at}") for at in range(20_000)]
    town.platform.store.registry.save_points(LOCAL_OWNER, names)
    query = {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}
    for path in ("balance", "voltage", "outages"):
        answer = town.get(f"/v1/grid/{path}", params=query)
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert "at most 16 days" in answer.json()["detail"]


@pytest.mark.parametrize("value", [1234567890.123, 9007199254740.991, 0.1, 5.0, -0.25])
def test_csv_tells_every_digit(value: float) -> None:
    (text,) = _texts(np.array([value]))
    assert float(text) == value
    assert len(text) <= len(repr(value))
