"""A record that says two things is refused with both named, whatever it comes in: none of them is lost unsaid."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pyarrow as pa
import pytest
from pyarrow import ipc

from gridwright.api.answer import Refused
from gridwright.api.ingest.arrow import decode_arrow, decode_csv
from gridwright.api.ingest.form import decode_form
from gridwright.api.ingest.json import decode_json, decode_ndjson
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.table import Decoded

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DEFAULTS = Said(interval_s=900)
NOON, LATER = "2026-11-24T12:00:00Z", "2026-11-25T09:00:00Z"
SOUND: dict[str, Any] = {"usage_point": "UP-1", "start": NOON, "kwh": 1.0}
TWO_THINGS = [
    ({"register_kwh": 7.0}, "kwh", "register_kwh"),
    ({"value": 1.0, "unit": "kWh"}, "kwh", "value"),
    ({"meter": "M-1"}, "usage_point", "meter"),
    ({"usage_point": None, "meter": "M-1", "meter_id": "M-2"}, "meter", "meter_id"),
    ({"at": LATER}, "start", "at"),
    ({"start": None, "timestamp": NOON, "time": LATER}, "timestamp", "time"),
    ({"kwh": None, "register_kwh": 7.0, "reading": 8.0}, "register_kwh", "reading"),
]
ALIKE: list[dict[str, Any]] = [
    {"meter": "UP-1 "},
    {"at": NOON},
    {"at": "2026-11-24T13:00:00+01:00"},
    {"meter": "", "meter_id": None},
]


def as_json(records: list[dict[str, Any]]) -> Decoded:
    """Send a list."""
    return decode_json(json.dumps(records).encode(), DEFAULTS, NOW)


def as_lines(records: list[dict[str, Any]]) -> Decoded:
    """Send one record a line."""
    return decode_ndjson("\n".join(map(json.dumps, records)).encode(), DEFAULTS, NOW)


def as_csv(records: list[dict[str, Any]]) -> Decoded:
    """Send a table as text."""
    names = list(dict.fromkeys(name for record in records for name in record))
    lines = [",".join("" if record.get(name) is None else str(record[name]) for name in names) for record in records]
    return decode_csv("\n".join([",".join(names), *lines]).encode(), DEFAULTS, NOW)


def as_arrow(records: list[dict[str, Any]]) -> Decoded:
    """Send a table as Arrow."""
    names = list(dict.fromkeys(name for record in records for name in record))
    table, out = pa.table({name: [record.get(name) for record in records] for name in names}), io.BytesIO()
    with ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return decode_arrow(out.getvalue(), DEFAULTS, NOW)


WAYS = [as_json, as_lines, as_csv, as_arrow]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("neighbours", [0, 1, 40])
@pytest.mark.parametrize(("change", "first", "second"), TWO_THINGS)
def test_a_record_that_says_two_things_is_refused_and_its_neighbours_are_taken(
    way: Any,  # noqa: ANN401 - one of the ways
    neighbours: int,
    change: dict[str, Any],
    first: str,
    second: str,
) -> None:
    found = way([SOUND] * neighbours + [SOUND | change])
    (verdict,) = found.verdicts.listed
    assert (found.verdicts.accepted, found.verdicts.rejected, verdict.index) == (neighbours, 1, neighbours)
    assert (verdict.fault.field, first in verdict.fault.reason) == (second, True)
    assert verdict.value


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("copies", [1, 2, 40])
@pytest.mark.parametrize(("change", "first", "second"), TWO_THINGS)
def test_records_that_all_say_the_same_two_things_are_refused(
    way: Any,  # noqa: ANN401 - one of the ways
    copies: int,
    change: dict[str, Any],
    first: str,
    second: str,
) -> None:
    found = way([SOUND | change] * copies)
    assert (found.verdicts.accepted, found.verdicts.rejected) == (0, copies)
    assert {(one.fault.field, first in one.fault.reason) for one in found.verdicts.listed} == {(second, True)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("copies", [1, 40])
@pytest.mark.parametrize("more", ALIKE)
def test_a_record_that_says_the_same_twice_is_taken(way: Any, copies: int, more: dict[str, Any]) -> None:  # noqa: ANN401
    assert way([SOUND | more] * copies).verdicts.accepted == copies


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("copies", [1, 40])
def test_records_that_use_different_names_for_the_same_stand_beside_each_other(way: Any, copies: int) -> None:  # noqa: ANN401
    other = {"meter": "M-1", "at": LATER, "register_kwh": 7.0}
    found = way([SOUND, other] * copies)
    assert (found.verdicts.accepted, found.verdicts.rejected) == (2 * copies, 0)


def test_a_block_that_says_two_things_is_refused() -> None:
    for second in ({"value": [1.0]}, {"at": LATER}, {"meter": "M-1"}):
        found = as_json([SOUND | {"kwh": [1.0, 2.0]} | second])
        assert (found.verdicts.accepted, found.verdicts.rejected) == (0, 1)


@pytest.mark.parametrize("media", ["application/x-www-form-urlencoded", "application/json"])
@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"register_kwh": "7"}, "register_kwh"),
        ({"kwh": "1"}, "kwh"),
        ({"usage_point": "UP-1"}, "usage_point"),
        ({"timestamp": LATER}, "timestamp"),
        ({"start": LATER}, "start"),
    ],
)
def test_a_form_that_says_two_things_is_refused(media: str, more: dict[str, str], field: str) -> None:
    fields = {"meter_id": "M-1", "reading": "5", "at": NOON} | more
    body = json.dumps(fields) if media == "application/json" else urlencode(fields)
    with pytest.raises(Refused) as caught:
        decode_form(body.encode(), media, NOW)
    told = json.loads(caught.value.answer.body)
    assert (told["status"], told["field"]) == (422, field)


def test_a_form_that_says_the_same_twice_is_taken_and_any_of_its_times_counts() -> None:
    same = urlencode(
        {"meter_id": "M-1", "meter": "M-1", "reading": "5", "at": NOON, "time": "2026-11-24T13:00:00+01:00"}
    )
    alone = urlencode({"meter_id": "M-1", "reading": "5", "time": NOON})
    media = "application/x-www-form-urlencoded"
    (one,), (other,) = (decode_form(body.encode(), media, NOW).few for body in (same, alone))
    assert one == other


NOT_OURS = ["1_000", "\u0661\u0662", "\uff11\uff12"]


@pytest.mark.parametrize("written", NOT_OURS)
def test_a_number_that_only_python_reads_is_refused_everywhere(written: str) -> None:
    """One rule for all entrances: JSON, lines and files refuse them."""
    for media in ("application/x-www-form-urlencoded", "application/json"):
        fields = {"meter_id": "M-1", "reading": written, "at": NOON}
        body = json.dumps(fields) if media == "application/json" else urlencode(fields)
        with pytest.raises(Refused) as caught:
            decode_form(body.encode(), media, NOW)
        assert (json.loads(caught.value.answer.body)["field"], caught.value.answer.status) == ("reading", 422)
    for copies in (1, 40):
        found = as_csv([SOUND] * copies + [SOUND | {"kwh": written}])
        assert (found.verdicts.accepted, found.verdicts.rejected) == (copies, 1)
        assert found.verdicts.listed[0].value == written
        found = as_csv([SOUND] * copies + [SOUND | {"start": written}])
        assert found.verdicts.rejected == 1


TWICE = [
    ('"kwh":1', '"kwh":1,"kwh":2', "kwh", "2"),
    ('"kwh":1', '"kwh":2,"usage_point":"UP-2","kwh":2', "usage_point", "UP-2"),
    ('"kwh":1', '"kwh" : 1, "kwh" : 2', "kwh", "2"),
    ('"kwh":1', '"kwh":1,"kwh"  : 2', "kwh", "2"),
    ('"kwh":1', '"kwh":1,"kwh"\t:2', "kwh", "2"),
    ('"kwh":1', '"kwh":1,"unknown":null,"kwh":2', "kwh", "2"),
    ('"kwh":1', '"kwh":1,"\\u006bwh":2', "kwh", "2"),
    ('"kwh":1', '"kwh":[1],"kwh":[1,2]', "kwh", "['1', '2']"),
    ('"kwh":1', '"kwh":null,"kwh":2', "kwh", "2"),
]
ONE = f'{{"usage_point":"UP-1","start":"{NOON}","kwh":1}}'


@pytest.mark.parametrize("unlike", ["", ',"site":"x"'])
@pytest.mark.parametrize("neighbours", [0, 1, 40])
@pytest.mark.parametrize("case", TWICE)
def test_a_json_record_with_a_name_twice_is_refused_and_its_neighbours_are_taken(
    case: tuple[str, str, str, str], neighbours: int, unlike: str
) -> None:
    """The last value won without a word."""
    told, twice, field, value = case
    other = ONE.replace('"kwh":1', f'"kwh":1{unlike}')
    records = [other] * neighbours + [ONE.replace(told, twice)] + [other] * neighbours
    lists = (f"[{','.join(records)}]", f'{{"readings": [{",".join(records)}]}}')
    found = [decode_json(text.encode(), DEFAULTS, NOW) for text in lists]
    found.append(decode_ndjson("\n".join(records).encode(), DEFAULTS, NOW))
    for one in found:
        assert (one.verdicts.accepted, one.verdicts.rejected, one.records) == (2 * neighbours, 1, len(records))
        (verdict,) = one.verdicts.listed
        assert (verdict.index, verdict.fault.field, verdict.value) == (neighbours, field, value)
        assert verdict.fault.reason == "it is there twice, with different values"


@pytest.mark.parametrize("neighbours", [0, 1, 40])
def test_a_point_named_as_the_list_hides_no_name_that_is_twice(neighbours: int) -> None:
    """Its name was counted off as the one of the list."""
    twice = ONE.replace("UP-1", "readings").replace('"kwh":1', '"kwh":1,"kwh":2')
    found = decode_json(f"[{','.join([twice] + [ONE] * neighbours)}]".encode(), DEFAULTS, NOW)
    assert (found.verdicts.accepted, found.verdicts.rejected) == (neighbours, 1)


@pytest.mark.parametrize("neighbours", [0, 40])
def test_beside_a_broken_record_a_name_twice_is_refused_too(neighbours: int) -> None:
    records = [ONE] * neighbours + ["{broken", ONE.replace('"kwh":1', '"kwh":1,"kwh":2')]
    found = decode_ndjson("\n".join(records).encode(), DEFAULTS, NOW)
    assert (found.verdicts.accepted, found.verdicts.rejected) == (neighbours, 2)


@pytest.mark.parametrize("more", ['"kwh":1', '"site":"kwh"', '"site":"a\\"b"', '"quality":null'])
def test_a_name_that_says_the_same_twice_or_is_a_text_is_taken(more: str) -> None:
    for copies in (1, 40):
        body = f"[{','.join([ONE.replace('{', '{' + more + ',', 1)] * copies)}]"
        found = decode_json(body.encode(), DEFAULTS, NOW)
        assert (found.verdicts.accepted, found.verdicts.rejected) == (copies, 0)


def test_a_form_in_json_with_a_name_twice_is_refused() -> None:
    body = f'{{"meter_id":"M-1","reading":5,"reading":6,"at":"{NOON}"}}'
    with pytest.raises(Refused) as caught:
        decode_form(body.encode(), "application/json", NOW)
    told = json.loads(caught.value.answer.body)
    assert (told["status"], told["field"], told["value"]) == (422, "reading", "6")
    found = decode_form(body.replace("6", "5").encode(), "application/json", NOW)
    assert found.verdicts.accepted == 1


WORDS = [
    ({"unit": "MWh"}, "unit"),
    ({"unit": "Wh"}, "unit"),
    ({"kwh": None, "register_kwh": 7.0, "unit": "V"}, "unit"),
    ({"kwh": None, "reading": 7.0, "unit": "MWh"}, "unit"),
    ({"kwh": None, "register_kwh": 7.0, "reading_type": "electricity/delivered/energy/delta/0"}, "reading_type"),
]


@pytest.mark.parametrize("decode", [as_json, as_lines, as_csv, as_arrow])
@pytest.mark.parametrize(("changed", "field"), WORDS)
@pytest.mark.parametrize("many", [1, 40])
def test_a_word_that_contradicts_the_name_of_the_number_is_refused(
    decode: Callable[[list[dict[str, Any]]], Decoded], changed: dict[str, Any], field: str, many: int
) -> None:
    """`kwh` in MWh was stored as kWh, and a register of a difference as a register."""
    times = [f"2026-11-{24 - at // 24:02d}T{at % 24:02d}:00:00Z" for at in range(many)]
    found = decode([SOUND | changed | {"start": time} for time in times])
    assert (found.verdicts.accepted, found.verdicts.rejected) == (0, many)
    assert {one.fault.field for one in found.verdicts.listed} == {field}


@pytest.mark.parametrize("decode", [as_json, as_lines, as_csv, as_arrow])
def test_a_word_that_agrees_with_the_name_of_the_number_is_taken(
    decode: Callable[[list[dict[str, Any]]], Decoded],
) -> None:
    register = {"kwh": None, "register_kwh": 7.0, "reading_type": "electricity/delivered/energy/cumulative/0"}
    found = decode([SOUND | {"unit": "kWh"}, SOUND | register, SOUND | {"start": LATER, "unit": " KWH"}])
    assert (found.verdicts.accepted, found.verdicts.rejected) == (3, 0)


@pytest.mark.parametrize("decode", [as_json, as_lines])
@pytest.mark.parametrize(("values", "shown"), [([], "an empty list"), ([None, None], "only null")])
def test_a_list_without_a_value_is_told(
    decode: Callable[[list[dict[str, Any]]], Decoded], values: list[None], shown: str
) -> None:
    found = decode([SOUND | {"kwh": values}, SOUND])
    assert (found.verdicts.accepted, found.verdicts.rejected) == (1, 1)
    assert (found.verdicts.listed[0].fault.field, found.verdicts.listed[0].value) == ("kwh", shown)
