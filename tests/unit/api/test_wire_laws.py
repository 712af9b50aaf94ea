"""Laws of what goes over the wire: cursors, instants, Accept, columns and cells, whatever is put in."""

from __future__ import annotations

import string
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from gridwright.api.blocks import downsampled
from gridwright.api.cursor import from_cursor, to_cursor
from gridwright.api.listing import accepted, cell
from gridwright.api.parameters import to_duration, to_instant
from gridwright.api.problems import RequestRefused

PRINTABLE = st.text(max_size=60).filter(str.isprintable)


@given(PRINTABLE, st.integers(0, 2**61))
def test_a_cursor_comes_back(name: str, number: int) -> None:
    assert from_cursor("things", to_cursor("things", (name, number)), ("", 0)) == (name, number)


@given(PRINTABLE)
def test_a_cursor_of_another_list_is_refused(name: str) -> None:
    with pytest.raises(RequestValidationError):
        from_cursor("things", to_cursor("others", (name,)), ("",))


@given(st.text(max_size=80) | st.text(string.ascii_letters + string.digits + "-_=", max_size=80))
def test_any_text_as_a_cursor_is_refused_or_empty(text: str) -> None:
    try:
        assert from_cursor("things", text, ("",)) is None
        assert text == ""
    except RequestValidationError:
        assert text


@given(st.datetimes(datetime(1971, 1, 1), datetime(2198, 1, 1)), st.integers(-14 * 4, 14 * 4))  # noqa: DTZ001 - made aware
def test_an_instant_comes_back_in_utc(moment: datetime, quarters: int) -> None:
    aware = moment.replace(tzinfo=UTC) + timedelta(minutes=15 * quarters)
    assert to_instant(aware.isoformat()) == aware
    assert to_instant(aware.isoformat().replace("+", " ")) == aware


@given(st.text(max_size=70) | st.integers() | st.floats() | st.none() | st.lists(st.integers(), max_size=2))
def test_anything_else_is_no_instant(value: Any) -> None:  # noqa: ANN401 - whatever a client sends
    with suppress(ValueError):
        assert to_instant(value).tzinfo is UTC


@pytest.mark.parametrize("text", ["0h", "48", "h", "-1h", "1.5h", "32d", "99999d", "٤h", "48h ", "", "1 h"])
def test_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="48h"):
        to_duration(text)


@given(st.text(string.printable, max_size=60))
def test_any_accept_header_is_answered(header: str) -> None:
    request = Request({"type": "http", "headers": [(b"accept", header.encode())]})
    with suppress(RequestRefused):
        assert accepted(request, ("application/json", "text/csv")) in {"application/json", "text/csv"}


@given(st.lists(st.floats(-1e9, 1e9) | st.just(float("nan")), min_size=1, max_size=60), st.integers(1, 20))
def test_columns_hold_every_value_between_their_ends(values: list[float], size: int) -> None:
    row = np.array(values)
    low, high, mean = downsampled(row, size)
    assert low.size == high.size == mean.size == -(-row.size // size)
    for at in range(low.size):
        part = row[at * size : (at + 1) * size]
        part = part[np.isfinite(part)]
        if part.size:
            assert (low[at], high[at]) == (part.min(), part.max())
            assert mean[at] == pytest.approx(part.mean())
        else:
            assert np.isnan([low[at], high[at], mean[at]]).all()


@given(st.text(max_size=20))
def test_no_cell_is_a_formula(text: str) -> None:
    shown = str(cell(text))
    dangerous = shown.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert not dangerous or float(shown) == float(text)
