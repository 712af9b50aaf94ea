"""How finely a NEM12 file counts, against a plain way to find it out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.reading_type import Quantity
from gridwright.formats.nem12 import precision
from gridwright.formats.nem12.precision import finer_exponents
from gridwright.formats.source import ReadOptions

KINDS = {"kWh": (Quantity.ENERGY, 3), "Wh": (Quantity.ENERGY, 0), "MWh": (Quantity.ENERGY, 6)}
values = st.decimals(0, 300, places=8, allow_nan=False).map(lambda value: f"{value.normalize():f}")
rounded = st.decimals(0, 300, places=3, allow_nan=False).map(lambda value: f"{value:.3f}")
channels = st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.lists(values | rounded, max_size=5)), max_size=5)


def text_of(found: list[tuple[str, list[str]]], quote: str = "") -> bytes:
    lines = ["100,NEM12,202503040000,MDP1,RET1"]
    for number, (unit, line) in enumerate(found):
        lines.append(f"{quote}200{quote},UP{number},E1,E1,E1,N1,M{number},{unit},30,")
        lines.append(",".join(["300", "20250303", *line, "A,,,20250304000000,"]))
    return "\n".join([*lines, "900", ""]).encode()


def plainly(found: list[tuple[str, list[str]]]) -> int:
    """Return the exponent of energy: that of the last digit of any value, in steps of a thousand."""
    lowest = 0
    for unit, line in found:
        for value in line:
            last = int(Decimal(value).normalize().as_tuple().exponent)
            lowest = min(lowest, KINDS[unit][1] + last)
    return -((2 - lowest) // 3 * 3)


@given(channels, st.sampled_from(["", '"']), st.sampled_from([64, 200, 1 << 20]))
def test_finds_what_a_plain_look_finds_at_any_window(
    found: list[tuple[str, list[str]]], quote: str, window: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision, "WINDOW", window)
        exponents, _ = finer_exponents(memoryview(text_of(found, quote)), ReadOptions())
    assert exponents.get(Quantity.ENERGY, 0) == plainly(found)


def test_a_value_at_the_edge_of_a_window_begins_no_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of([("Wh", ["1.5", "200", "2.25"])])
    monkeypatch.setattr(precision, "WINDOW", text.index(b"200,2.25"))
    exponents, _ = finer_exponents(memoryview(text), ReadOptions())
    # In Wh, the two decimals of 2.25 are 10 mWh; taken for a channel in kWh they would be 10 Wh.
    assert exponents == {Quantity.ENERGY: -3}
    alone = text_of([("Wh", ["1", "200", "2.25"])])
    monkeypatch.setattr(precision, "WINDOW", alone.index(b"200,2.25"))
    assert finer_exponents(memoryview(alone), ReadOptions())[0] == {Quantity.ENERGY: -3}
