"""Ranges of months and years: from the begin of one to the begin of the other."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from gridwright.domain.errors import InputError
from gridwright.domain.interval import exact_period, parse_period

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("read", [parse_period, exact_period])
@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2012-11/2013-03", "2012-11-01/2013-03-01"),
        ("2012-11/2012-12", "2012-11"),
        ("2012/2013", "2012"),
        ("2012-11/2012-11-15", "2012-11-01/2012-11-15"),
        ("2012-11-15T06:00/2013", "2012-11-15T06:00/2013-01-01"),
    ],
)
def test_a_month_in_a_range_is_its_begin(read: object, text: str, same: str) -> None:
    assert callable(read)
    assert read(text, BERLIN) == parse_period(same, BERLIN)


@pytest.mark.parametrize("text", ["2012-13/2013-03", "2012-11/", "/2013-03", "2012-1/2013-03", "2013-03/2012-11"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_period(text, BERLIN)
