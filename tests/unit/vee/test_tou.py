"""When time-of-use registers count, as an attribute of the usage point says it."""

from __future__ import annotations

import pytest

from gridwright.domain.errors import InputError
from gridwright.vee import Bucket, buckets_from

DAY = ((0, 1440),)
NIGHT = ((0, 360), (1320, 1440))


@pytest.mark.parametrize(
    ("text", "buckets"),
    [
        ("T1 06:00-22:00", (Bucket("T1", ((360, 1320),), ((360, 1320),), ((360, 1320),)),)),
        (
            "T1 06:00-22:00; T2 rest",
            (Bucket("T1", *[((360, 1320),)] * 3), Bucket("T2", NIGHT, NIGHT, NIGHT)),
        ),
        (
            "T2 rest;T1 workday 6:00-12:00 13:00-22:00 saturday 06:00-13:30 ;",
            (
                Bucket("T2", ((0, 360), (720, 780), (1320, 1440)), ((0, 360), (810, 1440)), DAY),
                Bucket("T1", ((360, 720), (780, 1320)), ((360, 810),), ()),
            ),
        ),
        ("N 22:00-06:00", (Bucket("N", *[((1320, 1440), (0, 360))] * 3),)),
        ("A workday 00:00-24:00; B rest", (Bucket("A", DAY, (), ()), Bucket("B", (), DAY, DAY))),
        ("", ()),
    ],
)
def test_registers_are_read(text: str, buckets: tuple[Bucket, ...]) -> None:
    assert buckets_from(text) == buckets


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("T1 06:00-22:00; T1 rest", "names a register"),
        ("T1 rest; T2 rest", "the rest, twice"),
        ("T1 06:00-22:00; T2 21:00-23:00", "two registers count at once on a workday"),
        ("T1 monday 06:00-22:00", "'monday' of register T1"),
        ("T1 06:00-22:75", "'06:00-22:75' of register T1"),
        ("T1 06:00-25:00; T2 rest", "minute 360 to 1500"),
        ("T1", "register T1 counts never"),
        ("T1 workday", "register T1 counts never"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        buckets_from(text)
