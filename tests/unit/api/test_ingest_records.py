"""A handful of records and many of them are judged alike; names are found by time; nothing is rounded unseen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.api.ingest import json as ingest_json
from gridwright.api.ingest.instants import instant_us, instants_us
from gridwright.api.ingest.json import decode_json, decode_ndjson
from gridwright.api.ingest.meaning import Said, Wrong, meaning_of
from gridwright.api.ingest.names import directory_of, resolve
from gridwright.api.ingest.table import Decoded
from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.usage_point import Installation, install

NOW = datetime(2026, 11, 25, 12, 2, tzinfo=UTC)
OPEN = Said()

instants = st.one_of(
    st.sampled_from(["2026-11-25T10:00:00Z", "2026-11-25T11:15:00+01:00", "2026-11-25T10:07:00Z", "2026-11-25T10:00"]),
    st.sampled_from(["1999-12-31T00:00:00Z", "2026-11-26T00:00:00Z", "never", "", None, True]),
    st.sampled_from([1_764_000_000, 1_764_000_000_000, 1_764_000_000.5, -5, 10**30]),
)
numbers = st.one_of(
    st.sampled_from([0, 0.25, -0.0, 0.1 + 0.2, 1.9220001, -1, 0.12345, 1e300, 2**53, None, "0.5", "x"]),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 3)),
)
record = st.fixed_dictionaries(
    {},
    optional={
        "usage_point": st.sampled_from(["UP-1", "UP-2", "nobody", "", " ", "x" * 121]),
        "meter": st.sampled_from(["M-1", "M-2"]),
        "start": instants,
        "at": instants,
        "kwh": st.one_of(
            numbers, st.lists(st.one_of(st.none(), st.floats(0, 9).map(lambda v: round(v, 3))), max_size=3)
        ),
        "value": numbers,
        "register_kwh": numbers,
        "unit": st.sampled_from(["Wh", "kWh", "MWh", "kW", "V", "°C", "furlong"]),
        "flow": st.sampled_from(["delivered", "received", "net", "sideways"]),
        "quality": st.sampled_from(["raw", "actual", "Estimated", "superb"]),
        "reading_type": st.sampled_from(["electricity/delivered/energy/delta/-3", "nonsense"]),
        "interval_s": st.sampled_from([900, 3600, 60, 7, 0, -900, 86_400]),
    },
)


def judged(decoded: Decoded) -> tuple[int, list[tuple[int, str, str]], list[tuple[Any, ...]]]:
    """Return counts, verdicts and readings in a form that does not depend on the way taken."""
    verdicts = sorted((one.index, one.fault.field, one.fault.reason) for one in decoded.verdicts.listed)
    rows = [
        (
            one.name,
            one.at_s,
            one.counts,
            one.meaning.quality,
            one.index,
            one.meaning.interval_s,
            one.meaning.reading_type,
        )
        for one in decoded.few
    ]
    for part in decoded.series:
        names = [part.points[at] for at in part.point.tolist()]
        columns = (names, part.at.tolist(), part.value.tolist(), part.quality.tolist(), part.line.tolist())
        rows += [(*row, part.interval_s, part.reading_type) for row in zip(*columns, strict=True)]
    return decoded.verdicts.accepted, verdicts, sorted(rows, key=repr)


@given(st.lists(record, max_size=12))
def test_few_and_many_records_get_the_same_verdicts(records: list[dict[str, Any]]) -> None:
    body = msgspec.json.encode(records)
    few = decode_json(body, OPEN, NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest_json, "FEW", 0)
        many = decode_json(body, OPEN, NOW)
    assert judged(few) == judged(many)
    lines = decode_ndjson(b"\n".join(map(msgspec.json.encode, records)) or b"{}", OPEN, NOW)
    assert not records or judged(lines) == judged(few)


@given(st.lists(record, min_size=1, max_size=6))
def test_every_reading_is_accepted_or_told(records: list[dict[str, Any]]) -> None:
    decoded = decode_json(msgspec.json.encode(records), OPEN, NOW)
    told = {one.index for one in decoded.verdicts.listed} | {one.index for one in decoded.few}
    nothing = {
        at
        for at, one in enumerate(records)
        if isinstance(one.get("kwh"), list) and all(value is None for value in one["kwh"])
    }
    assert told | nothing == set(range(len(records)))
    assert decoded.verdicts.accepted == len(decoded.few)


aware = st.integers(0, 10**9).map(lambda seconds: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=3 * seconds))


@given(st.lists(st.one_of(aware, st.integers(0, 4 * 10**9)), min_size=1))
def test_instants_are_read_alike_one_by_one_and_together(moments: list[datetime | int]) -> None:
    texts = [one.isoformat() for one in moments if isinstance(one, datetime)]
    for values in (texts, [one for one in moments if isinstance(one, int)]):
        together = instants_us(values) if values else None
        if together is not None:
            assert together.tolist() == [instant_us(value, "start") for value in values]


@pytest.mark.parametrize(
    "value", [None, "", True, "then", "2026-01-01", "2026-01-01T00:00:00", float("nan"), 1e40, "1e40"]
)
def test_what_is_no_instant_is_told(value: object) -> None:
    with pytest.raises(Wrong) as caught:
        instant_us(value, "start")
    assert caught.value.fault.field == "start"
    assert caught.value.fault.remedy


def test_words_become_a_reading_type() -> None:
    assert meaning_of(Said("kWh", interval_s=900)).power == 3
    assert (
        meaning_of(Said("MWh", "received", interval_s=900)).reading_type.code == "electricity/received/energy/delta/0"
    )
    assert [meaning_of(Said(unit, interval_s=900)).power for unit in ("mWh", "mW", "mwh", "mw")] == [-3, -3, 6, 6]
    assert meaning_of(Said("kWh", register=True)).is_register
    assert meaning_of(Said("V", interval_s=60)).power == 1
    with pytest.raises(Wrong, match="does not measure"):
        meaning_of(Said("V", reading_type="electricity/delivered/energy/delta/0", interval_s=900))
    with pytest.raises(Wrong, match="does not count"):
        meaning_of(Said("kW", register=True))


# --- whose a reading is -----------------------------------------------------------------------------------------------

EXCHANGE = datetime(2026, 6, 1, tzinfo=UTC)
FIRST = Installation("UP-1", "M-old", Interval(datetime(2020, 1, 1, tzinfo=UTC), EXCHANGE))
TOWN = directory_of(
    {"UP-1": 1, "UP-2": 2}, [FIRST, install("UP-1", "M-new", EXCHANGE), install("UP-2", "M-old", EXCHANGE)], 0
)
DAY = timedelta(days=1)


def found(
    name: str, at: datetime, access: Access = LOCAL_OWNER, *, many: bool = False
) -> tuple[list[str], list[str], int]:
    said = [{"meter": name, "at": at.isoformat(), "register_kwh": 5}]
    with pytest.MonkeyPatch.context() as patch:
        if many:
            patch.setattr(ingest_json, "FEW", 0)
        decoded = decode_json(msgspec.json.encode(said), OPEN, NOW)
    resolved = resolve(decoded, TOWN, access)
    places = [f"{one.name} {one.meter}" for one in resolved.few]
    for part in resolved.registers:
        places += [f"{part.points[at]} {part.devices[at]}" for at in part.point.tolist()]
    strays = [part.points[at] for part in resolved.quarantined.between(0, 9) for at in part.point.tolist()]
    return places, strays, decoded.verdicts.rejected


@pytest.mark.parametrize("many", [False, True])
def test_a_meter_means_the_usage_point_where_it_hung_at_the_time(many: bool) -> None:
    assert found("M-old", EXCHANGE - DAY, many=many) == (["UP-1 M-old"], [], 0)
    assert found("M-old", EXCHANGE, many=many) == (["UP-2 M-old"], [], 0)
    assert found("M-new", EXCHANGE, many=many) == (["UP-1 M-new"], [], 0)
    assert found("M-new", EXCHANGE - DAY, many=many) == ([], ["M-new"], 0)
    assert found("UP-1", EXCHANGE - DAY, many=many) == (["UP-1 M-old"], [], 0)
    assert found("UP-2", EXCHANGE - DAY, many=many) == (["UP-2 "], [], 0)
    assert found("M-none", EXCHANGE, many=many) == ([], ["M-none"], 0)


@pytest.mark.parametrize("many", [False, True])
def test_a_key_of_few_usage_points_reaches_no_other(many: bool) -> None:
    few = Access("few", Role.DEVICE, frozenset({"UP-1"}))
    assert found("M-old", EXCHANGE - DAY, few, many=many) == (["UP-1 M-old"], [], 0)
    for name in ("M-old", "UP-2", "M-none"):
        assert found(name, EXCHANGE, few, many=many) == ([], [], 1)


def test_a_directory_knows_meters_and_multipliers() -> None:
    assert TOWN.knows("M-old")
    assert not TOWN.knows("M-none")
    assert TOWN.multiplier("UP-1", "M-old", epoch_s(EXCHANGE) - 1) == 1


WORDS_OF = {
    "V": ({"value": 230.12345678, "unit": "V"}, "value"),
    "°C": ({"value": 21.12345678, "unit": "°C"}, "value"),
    "kWh": ({"value": 0.12345, "unit": "kWh"}, "value"),
    "by type": ({"value": 0.12345, "reading_type": DELIVERED_ENERGY.register().code}, "value"),
    "kwh": ({"kwh": 0.12345}, "kwh"),
    "register": ({"register_kwh": 10.12345}, "register_kwh"),
}


@pytest.mark.parametrize("many", [1, 40])
@pytest.mark.parametrize(("words", "field"), WORDS_OF.values(), ids=WORDS_OF)
def test_the_verdict_on_a_value_names_its_field(words: dict[str, Any], field: str, many: int) -> None:
    first = epoch_s(datetime(2026, 11, 20, tzinfo=UTC))
    records = [{"usage_point": "UP-1", "start": first + at * 900, "interval_s": 900} | words for at in range(many)]
    rounded = decode_json(msgspec.json.encode(records), OPEN, NOW).verdicts
    assert rounded.rounded == many
    assert {one.fault.field for one in rounded.listed} == {field}
    large = [
        record | {name: 1e300 for name in ("value", "kwh", "register_kwh") if name in record} for record in records
    ]
    refused = decode_json(msgspec.json.encode(large), OPEN, NOW).verdicts
    assert refused.rejected == many
    assert {one.fault.field for one in refused.listed} == {field}
