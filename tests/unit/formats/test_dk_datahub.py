"""DataHub messages: all 72 public ones, 16 of which carry quantities; resolutions, qualities, damage."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.errors import InputError
from gridwright.domain.interval import epoch_s
from gridwright.domain.quality import Status, pack
from tests.unit.formats.markup_reading import read

RECEIVED = "electricity/received/energy/delta/0"
WRONG_VERSION = {"BadVersionMeteredDataForMeteringPoint.xml"}
ENDS_BEFORE_IT_STARTS = "InvalidMeteredDataForMeteringPoint.xml"


@pytest.fixture(scope="module")
def messages(shared_data: Path) -> list[Path]:
    files = sorted((shared_data / "interchange" / "dk_datahub").rglob("*"))
    return [path for path in files if path.suffix in {".xml", ".json"} and "schema" not in str(path).lower()]


def quantities(path: Path) -> list[float]:
    """Read the quantities of a message the plain way, in kWh."""
    if path.suffix == ".json":
        return [float(text) for text in re.findall(r'"quantity": *([0-9.]+)', path.read_text("utf-8-sig"))]
    root = ET.fromstring(path.read_bytes().removeprefix(b"\xef\xbb\xbf").strip())  # noqa: S314 - the shared data
    names = ("quantity", "EnergyQuantity")
    return [float(one.text or "") for one in root.iter() if one.tag.rpartition("}")[2] in names]


def test_each_of_the_72_messages_is_read_or_named(messages: list[Path]) -> None:
    assert len(messages) == 72
    told = [0, 0, 0]
    for path in messages:
        try:
            result = read(path.read_bytes())
        except InputError as error:
            refused = "a request, not measured data" in error.message
            assert refused or path.name in {*WRONG_VERSION, "EmptyJsonObject.json"}, path.name
            told[1 if refused else 2] += 1
            continue
        told[0] += 1
        plain = quantities(path)
        kept = sorted(value / 1000 for s in result.series for value in s.value.tolist() if value == value)  # noqa: PLR0124 - NaN
        if path.name == ENDS_BEFORE_IT_STARTS and result.rejected:
            assert ["2022-08-15T04:00:00+00:00, before it starts" in one.reason for one in result.rejects] == [True]
        else:
            assert (kept, result.rejects) == (sorted(plain), ()), path.name
            assert set(result.zones.values()) == {"Europe/Copenhagen"}
    assert told == [14, 54, 4]


def a_point(position: object, quantity: object = 1.5, quality: str = "") -> str:
    told = f"<c:quality>{quality}</c:quality>" if quality else ""
    shown = f"<c:quantity>{quantity}</c:quantity>" if quantity != "" else ""
    return f"<c:Point><c:position>{position}</c:position>{shown}{told}</c:Point>\n"


def a_series(
    points: str,
    resolution: str = "PT15M",
    span: tuple[str, str] = ("2024-06-28T22:00Z", "2024-07-28T22:00Z"),
    kind: str = "E17",
) -> str:
    return (
        '<c:Series><c:marketEvaluationPoint.mRID codingScheme="A10">571313000000002000</c:marketEvaluationPoint.mRID>'
        f"<c:marketEvaluationPoint.type>{kind}</c:marketEvaluationPoint.type>"
        "<c:quantity_Measure_Unit.name>KWH</c:quantity_Measure_Unit.name><c:Period>"
        f"<c:resolution>{resolution}</c:resolution><c:timeInterval><c:start>{span[0]}</c:start><c:end>{span[1]}</c:end>"
        f"</c:timeInterval>\n{points}</c:Period></c:Series>\n"
    )


def a_message(*series: str) -> bytes:
    root = "c:NotifyValidatedMeasureData_MarketDocument"
    return (
        f'<{root} xmlns:c="urn:ediel.org:measure:notifyvalidatedmeasuredata:0:1">\n{"".join(series)}</{root}>'.encode()
    )


@pytest.mark.parametrize(
    ("resolution", "starts", "lengths"),
    [
        ("PT15M", ["2024-10-25T22:00", "2024-10-25T22:15"], [900]),
        ("PT1H", ["2024-10-25T22:00", "2024-10-25T23:00"], [3600]),
        ("P1D", ["2024-10-25T22:00", "2024-10-26T22:00"], [86_400]),
        ("P1M", ["2024-09-30T22:00", "2024-10-31T23:00"], [30 * 86_400, 31 * 86_400 + 3600]),
    ],
)
def test_positions_are_placed_by_their_resolution(resolution: str, starts: list[str], lengths: list[int]) -> None:
    span = ("2024-09-30T22:00Z" if resolution == "P1M" else "2024-10-25T22:00Z", "2024-12-31T23:00Z")
    result = read(a_message(a_series(a_point(1) + a_point(2), resolution, span)))
    found = sorted((at, length) for _, _, length, at in result.values)
    assert [at for at, _ in found] == [epoch_s(datetime.fromisoformat(one).replace(tzinfo=UTC)) for one in starts]
    assert sorted({length for _, length in found}) == lengths


@pytest.mark.parametrize(
    ("code", "quality"),
    [("", q.ACTUAL), ("A03", pack(Status.ESTIMATED)), ("A06", pack(Status.DERIVED)), ("A01", pack(Status.EDITED))],
)
def test_qualities(code: str, quality: int) -> None:
    (series,) = read(a_message(a_series(a_point(1, 1.5, code)))).series
    assert (series.quality.tolist(), series.value.tolist()) == ([quality], [1500.0])


def test_more_decimals_than_watt_hours_are_kept() -> None:
    (series,) = read(a_message(a_series(a_point(1, "0.1234567")))).series
    assert (series.reading_type.exponent, series.value.tolist()) == (-6, [123_456_700.0])


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (a_message(a_series(a_point("x"))), "position is no whole number"),
        (a_message(a_series(a_point(3000))), "outside the period"),
        (a_message(a_series(a_point(1) + a_point(1, 2))), "comes twice"),
        (a_message(a_series(a_point(1, "x"))), "quantity is no number"),
        (a_message(a_series(a_point(1, 1, "A77"))), "quality code unknown"),
        (a_message(a_series(a_point(1), "PT7M")), "resolution 'PT7M'"),
        (a_message(a_series(a_point(1), kind="X1")), "metering point type 'X1'"),
        (a_message(a_series(a_point(1)).replace("KWH", "QQQ")), "unit 'QQQ'"),
        (a_message(a_series(a_point(1)).replace("</c:Point>", "</c:Poin>")), "damaged"),
        (a_message(a_series(a_point(1)))[:-5], "cut off"),
    ],
)
def test_rejects_say_why(message: bytes, said: str) -> None:
    rejects = read(message).rejects
    assert any(said in reject.reason and reject.line > 0 for reject in rejects)


def a_json(points: list[dict[str, object]]) -> str:
    series = {
        "marketEvaluationPoint.mRID": {"value": "571313000000002000"},
        "marketEvaluationPoint.type": {"value": "E18"},
        "quantity_Measure_Unit.name": {"value": "KWH"},
        "Period": {
            "resolution": "PT1H",
            "timeInterval": {"start": {"value": "2024-06-28T22:00Z"}, "end": {"value": "2024-06-29T22:00Z"}},
            "Point": points,
        },
    }
    return json.dumps({"NotifyValidatedMeasureData_MarketDocument": {"Series": [series]}}, indent=1)


GOOD = a_json([{"position": {"value": at}, "quantity": round(at * 1.001, 3)} for at in range(1, 7)])


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ({"position": {"value": 1}, "quantity": True}, "quantity is no number"),
        ({"position": {"value": 1}, "quantity": 1e300}, "impossibly large"),
        ({"position": {"value": 1}}, "no quantity"),
        ({"position": {"value": 1}, "quantify": 3}, "a field that the schema does not know"),
        ({"position": {"value": "x"}, "quantity": 3}, "position is no whole number"),
        ({"position": {"value": 1}, "quantity": 3, "quality": {"value": "Z"}}, "quality code unknown"),
    ],
)
def test_json_points_that_cannot_be_taken(point: dict[str, object], said: str) -> None:
    result = read(a_json([point, {"position": {"value": 2}, "quantity": 3}]).encode())
    assert [said in reject.reason for reject in result.rejects] == [True]
    assert len(result.values) == 1


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity", "9" * 5000])
def test_what_json_has_no_number_for_costs_its_point_alone(written: str) -> None:
    """Some senders write NaN for a gap; the metering point may be named behind its points."""
    whole = json.loads(a_json([{"position": {"value": at}, "quantity": at} for at in (1, 2, 3)]))
    series = whole["NotifyValidatedMeasureData_MarketDocument"]["Series"]
    whole["NotifyValidatedMeasureData_MarketDocument"]["Series"] = [dict(sorted(one.items())) for one in series]
    text = json.dumps(whole, indent=1).replace('"quantity": 2', f'"quantity": {written}')
    result = read(text.encode())
    assert [value for part in result.series for value in part.value.tolist()] == [1000, 3000]
    (reject,) = result.rejects
    assert (reject.reason, reject.value) == ("quantity is no number", written[:40])
    assert text.splitlines()[reject.line].strip().startswith('"position"')
    assert result.records == 3


@pytest.mark.parametrize("key", ["marketEvaluationPoint.mRID", "position"])
def test_nan_is_neither_a_name_nor_a_position(key: str) -> None:
    text = re.sub(rf'("{re.escape(key)}": {{[^}}]*"value": )[^,}}\n]+', r"\1NaN", GOOD)
    assert "NaN" in text
    result = read(text.encode())
    assert (sum(part.size for part in result.series), result.rejected) == (0, 6)


@settings(max_examples=80, deadline=None)
@given(st.integers(60, len(GOOD) - 8))
def test_of_json_that_is_cut_off_the_points_before_are_kept(at: int) -> None:
    result = read(GOOD[:at].encode())
    truth = read(GOOD.encode()).values
    assert result.values.items() <= truth.items()
    assert result.rejected
    whole = len(re.findall(r"\{[^{}]*\{[^{}]*\}[^{}]*\"quantity\"[^{}]*\}", GOOD[:at]))
    assert len(result.values) == whole


@pytest.mark.parametrize("bomb", ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000, "NaN", "\x00"])
def test_json_bombs_are_damage(bomb: str) -> None:
    text = '{"NotifyValidatedMeasureData_MarketDocument": {"Series": [' + bomb + "]}}"
    assert read(text.encode()).rejected


@pytest.mark.parametrize("chunk_bytes", [1, 2000])
def test_pieces_know_the_prefix_that_the_root_declares(chunk_bytes: int) -> None:
    message = a_message(*(a_series("".join(a_point(at, at + day) for at in range(1, 5))) for day in range(3)))
    whole, pieces = read(message), read(message, chunk_bytes=chunk_bytes)
    assert (pieces.values, pieces.records, pieces.rejected) == (whole.values, 12, 0)
