"""Two things that one line says of one reading, and several samples of one instant."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.api.ingest.lines import DecodedLines, LineMapping, decode_alike, decode_lines, usual_fields
from gridwright.ingest.order import order as ordered

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
AT = 1740830400
MAPPING = LineMapping(usual_fields())


def decode(*lines: str) -> list[DecodedLines]:
    """Decode lines the long way, and the short one where they are alike."""
    body = "\n".join(lines).encode()
    ways = [decode_lines(body, MAPPING, "s", NOW), decode_alike(body + b"\n", MAPPING, "s", NOW)]
    return [decoded for decoded in ways if decoded is not None]


def values(decoded: DecodedLines) -> list[float]:
    return sorted(value for part in decoded.series for value in part.value.tolist())


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ("kwh=1,energy_kwh=2", "kwh, energy_kwh"),
        ("kwh=1,wh=1001", "kwh, wh"),
        ("voltage=230,current=1,voltage_v=231", "voltage, voltage_v"),
        ("register_kwh=5,reading=6,total_kwh=5", "register_kwh, reading, total_kwh"),
        ("kwh=1,kwh=2", "kwh, kwh"),
        ("kwh=1,current=1,kwh=2", "kwh, kwh"),
        ("kwh=1,kwh=1,energy_kwh=2", "kwh, kwh, energy_kwh"),
    ],
)
def test_fields_of_a_line_that_mean_the_same_and_differ_are_refused(fields: str, names: str) -> None:
    others = [f"energy,usage_point=X kwh=3 {AT - 900}", f"energy,usage_point=Y energy_kwh=4 {AT}"]
    for decoded in decode(others[0], f"energy,usage_point=X {fields} {AT}", others[1]):
        (verdict,) = decoded.verdicts.listed
        assert (verdict.line, verdict.fault.field, decoded.verdicts.rejected) == (2, names, 1)
        assert verdict.value == ", ".join(one for one in fields.split(",") if one.split("=")[0] in names.split(", "))
        assert verdict.fault.reason.startswith("these fields mean the same reading (electricity/")
        kept = [3000.0, 4000.0] if "current" not in fields else [100.0, 3000.0, 4000.0]
        assert values(decoded) == kept


def test_lines_alike_that_contradict_themselves_are_told_one_by_one() -> None:
    lines = [f"energy,usage_point=X kwh={n},energy_kwh={n % 2} {AT - 900 * n}" for n in range(4)]
    for decoded in decode(*lines):
        assert [verdict.line for verdict in decoded.verdicts.listed] == [3, 4]
        assert values(decoded) == [0, 0, 1000, 1000]


@pytest.mark.parametrize(
    "fields", ["kwh=1,energy_kwh=1.0", "kwh=1,kwh=1", "kwh=1,wh=1000", "kwh=0.1,wh=100", "kwh=1,received_kwh=2"]
)
def test_fields_that_agree_or_mean_different_things_are_taken(fields: str) -> None:
    for decoded in decode(f"energy,usage_point=X {fields} {AT}"):
        assert (decoded.verdicts.rejected, len(values(decoded))) == (0, 2)


def test_one_reading_by_two_lines_is_no_contradiction_of_a_line() -> None:
    for decoded in decode(f"energy,usage_point=X kwh=1 {AT}", f"energy,usage_point=X energy_kwh=2 {AT}"):
        assert decoded.verdicts.rejected == 0


def counting(decoded: DecodedLines) -> list[float]:
    """Return the values that count, in order of point and time."""
    return [value for part in decoded.series for value in ordered(part).readings.value.tolist()]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_last_sample_of_an_instant_is_the_last_by_time(order: tuple[int, ...]) -> None:
    lines = [f"em,usage_point=X voltage={230 + n} {AT + 20 * n}" for n in range(3)]
    for decoded in decode(*(lines[n] for n in order), f"em,usage_point=Y voltage=240 {AT + 1}"):
        assert counting(decoded) == [2320.0, 2400.0]
        assert (decoded.verdicts.accepted, decoded.verdicts.rejected) == (4, 0)


def test_of_samples_of_one_time_the_later_line_counts() -> None:
    lines = [f"em,usage_point=X voltage={volts} {AT + at}" for volts, at in [(230, 5), (231, 30), (232, 30), (233, 1)]]
    for decoded in decode(*lines):
        assert counting(decoded) == [2320.0]


@given(st.lists(st.tuples(st.sampled_from("XY"), st.integers(0, 200), st.integers(200, 260)), min_size=1, max_size=12))
def test_samples_in_any_order_leave_what_a_plain_look_finds(samples: list[tuple[str, int, int]]) -> None:
    found: dict[tuple[str, int], tuple[int, int, float]] = {}
    for line, (name, at, volts) in enumerate(samples):
        key = (name, at // 60)
        found[key] = max(found.get(key, (-1, -1, 0.0)), (at, line, volts * 10.0))
    for decoded in decode(*(f"em,usage_point={name} voltage={volts} {AT - 600 + at}" for name, at, volts in samples)):
        (part,) = decoded.series
        kept = ordered(part).readings
        told = zip([part.points[entry] for entry in kept.point.tolist()], kept.at.tolist(), kept.value, strict=True)
        assert {(name, (at - AT + 600) // 60): value for name, at, value in told} == {
            key: value for key, (_, _, value) in found.items()
        }
