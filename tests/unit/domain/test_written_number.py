"""Numbers as people write them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.errors import InputError
from gridwright.domain.written_number import read_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12.5", "12.5"),
        (" 12,5 ", "12.5"),
        ("+7", "7"),
        (".5", "0.5"),
        ("12.", "12"),
        ("0", "0"),
        ("", None),
        (" ", None),
    ],
)
def test_point_or_comma(text: str, number: str | None) -> None:
    assert read_number(text, "--final") == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    "text", ["nan", "inf", "1e5", "1_000", "0x10", "1,234.5", "--1", "-1", "\uff19", "9" * 13, "7 kWh"]
)
def test_anything_else_is_refused_by_its_place(text: str) -> None:
    with pytest.raises(InputError, match="is no number of kWh") as caught:
        read_number(text, "--final")
    assert caught.value.where == "--final"


def test_below_zero_is_for_those_who_ask_for_it() -> None:
    assert read_number("-1,25", "--total", signed=True) == Decimal("-1.25")


@given(st.text(max_size=200))
def test_any_text_is_a_finite_number_or_refused_in_brief(text: str) -> None:
    try:
        found = read_number(text, "x", signed=True)
        assert found is None or found.is_finite()
    except InputError as error:
        assert len(str(error)) < 400  # noqa: PT017 - most texts are no numbers
