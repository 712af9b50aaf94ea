"""Line protocol: the cases of its reference, plain lines and odd ones read alike, and nothing is lost unseen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.errors import InputError
from gridwright.formats.line_protocol import PRECISIONS, FieldValues, Origin, read_line_protocol

NOW_US = 1_764_000_000_000_000
Row = tuple[str, tuple[tuple[str, str], ...], str, float, int, int]


def read(text: str | bytes, precision: str = "ns") -> FieldValues:
    body = text if isinstance(text, bytes) else text.encode()
    return read_line_protocol(body, precision=precision, received_us=NOW_US)


def rows(values: FieldValues) -> list[Row]:
    """Return the columns as rows."""
    origins = [values.origins[at] or Origin("") for at in values.origin.tolist()]
    names = [values.fields[at] for at in values.field.tolist()]
    columns = zip(origins, names, values.value.tolist(), values.at_us.tolist(), values.line.tolist(), strict=True)
    return [(origin.measurement, origin.tags, *rest) for origin, *rest in columns]


# docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol, elements and special characters.
REFERENCE = [
    ('m,tag1=a,tag2=b f1="text",f2=1i 1556813561098000000', "m", (("tag1", "a"), ("tag2", "b")), "f2", 1.0),
    ("m f=1 1556813561098000000", "m", (), "f", 1.0),
    ("m f=1.0", "m", (), "f", 1.0),
    ("m f=-1.234456e+78", "m", (), "f", -1.234456e78),
    ("m f=12u", "m", (), "f", 12.0),
    ("m f=-12i", "m", (), "f", -12.0),
    ("m f=true", "m", (), "f", 1.0),
    ("m f=F", "m", (), "f", 0.0),
    ("my\\ Measurement f=1", "my Measurement", (), "f", 1.0),
    ("my\\,Measurement f=1", "my,Measurement", (), "f", 1.0),
    ("m,tag\\ Key1=tag\\ Value1 f=1", "m", (("tag Key1", "tag Value1"),), "f", 1.0),
    ("m,t=a\\=b f\\,g=1", "m", (("t", "a=b"),), "f,g", 1.0),
    ('m s="a, b=c \\" d",f=2', "m", (), "f", 2.0),
    ('m s="two\nlines",f=2', "m", (), "f", 2.0),
    ("m,zähler=größe f=1", "m", (("zähler", "größe"),), "f", 1.0),
    ('m\\"a,t="b" f=1', 'm\\"a', (("t", '"b"'),), "f", 1.0),
]


@pytest.mark.parametrize(("line", "measurement", "tags", "name", "value"), REFERENCE)
def test_the_reference(line: str, measurement: str, tags: tuple[tuple[str, str], ...], name: str, value: float) -> None:
    found = rows(read(f"{line}\n"))
    assert [one[:4] for one in found] == [(measurement, tags, name, value)]


@pytest.mark.parametrize(
    ("precision", "stamp"),
    [("ns", 1_700_000_000_123_456_789), ("us", 1_700_000_000_123_456), ("ms", 1_700_000_000_123), ("s", 1_700_000_000)],
)
def test_precisions(precision: str, stamp: int) -> None:
    (row,) = rows(read(f"m f=1 {stamp}", precision))
    assert abs(row[4] - 1_700_000_000_123_456) < 1_000_000


def test_an_unknown_precision_is_told() -> None:
    with pytest.raises(InputError, match="fortnight") as told:
        read("m f=1", "fortnight")
    assert set(told.value.remedy.removeprefix("use one of ").split(", ")) == set(PRECISIONS)


def test_no_timestamp_is_now_and_comments_and_empty_lines_say_nothing() -> None:
    found = rows(read("# a comment\n\n  \nm f=1\r\nm f=2 5000\r\n"))
    assert [(row[3], row[4], row[5]) for row in found] == [(1.0, NOW_US, 4), (2.0, 5, 5)]


WRONG = [
    ("m", "line"),
    ("m ", "line"),
    (",t=1 f=1", "line"),
    ("m,t f=1", "line"),
    ("m,t= f=1", "line"),
    ("m f", "line"),
    ("m f=", "line"),
    ("m =1", "line"),
    ("m f=1,,g=2", "line"),
    ("m f=1,g", "line"),
    ("m f=one", "f"),
    ("m f=1.5i", "f"),
    ("m f=0x10", "f"),
    ("m f=1_0", "f"),
    ("m f=nan", "f"),
    ("m f=inf", "f"),
    ("m f=1e999", "f"),
    ("m f=1 soon", "timestamp"),
    ("m f=1 1.5", "timestamp"),
    ("m f=1 99999999999999999999", "timestamp"),
    ('m f="open', "line"),
    ('m f="text"', "f"),
    ("m f=1 1 1", "timestamp"),
]


@pytest.mark.parametrize(("line", "name"), WRONG)
def test_a_wrong_line_is_told_and_costs_no_other(line: str, name: str) -> None:
    values = read(f"good f=1 1000\n{line}\ngood f=2 2000\n")
    assert [(row[3], row[5]) for row in rows(values)] == [(1.0, 1), (2.0, 3)]
    (fault,) = values.faults
    assert (fault.line, fault.field) == (2, name)
    assert fault.reason
    assert fault.remedy


def test_bytes_that_are_no_text_cost_their_line_only() -> None:
    values = read(b"m f=1 1000\nm,t=\xff f=2 1000\nm \xfe=3 1000\nm f=\xfd 1000\nm f=5 1000\n")
    assert [row[3] for row in rows(values)] == [1.0, 5.0]
    assert [fault.line for fault in values.faults] == [2, 3, 4]


plain = st.text("abzäß0-_.", min_size=1, max_size=6)
special = st.text('ab ,=\\"é', min_size=1, max_size=6).filter(lambda text: not text.endswith("\\") and "\\" not in text)
number = st.one_of(
    st.integers(-(10**15), 10**15).map(lambda n: (f"{n}i", float(n))),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda f: (repr(f), f)),
    st.booleans().map(lambda b: (str(b), float(b))),
)


def escaped(text: str) -> str:
    return text.replace(" ", "\\ ").replace(",", "\\,").replace("=", "\\=")


@st.composite
def points(draw: st.DrawFn) -> tuple[str, list[Row]]:
    """Write some points, plain and odd ones, with what they say."""
    lines, said = [], []
    for at in range(1, draw(st.integers(1, 8)) + 1):
        name = draw(st.sampled_from((plain, special)))
        measurement = draw(name.filter(lambda text: not text.startswith(("#", " "))))
        tags = draw(st.dictionaries(name, name, max_size=2))
        fields = draw(st.dictionaries(name, number, min_size=1, max_size=3))
        stamp = draw(st.none() | st.integers(0, 4_000_000_000))
        key = ",".join(
            [escaped(measurement).replace("\\=", "="), *(f"{escaped(k)}={escaped(v)}" for k, v in tags.items())]
        )
        text = ",".join(f"{escaped(k)}={v[0]}" for k, v in fields.items())
        lines.append(f"{key} {text}" + ("" if stamp is None else f" {stamp}"))
        at_us = NOW_US if stamp is None else stamp * 1_000_000
        said += [(measurement, tuple(tags.items()), k, v[1], at_us, at) for k, v in fields.items()]
    return "\n".join(lines), said


@given(points())
def test_what_is_written_is_read(written: tuple[str, list[Row]]) -> None:
    text, said = written
    values = read(text, "s")
    assert rows(values) == said
    assert not values.faults


@given(
    st.lists(st.sampled_from(["m", "a", ",", "=", " ", '"', "\\", "1", "i", "\n", "#", "é", "e9"]), max_size=40).map(
        "".join
    )
)
def test_any_text_is_read_or_told(text: str) -> None:
    values = read(text)
    told = {*values.line.tolist(), *(fault.line for fault in values.faults)}
    assert len(told) <= values.lines
    assert all(fault.reason and fault.remedy for fault in values.faults)
    lines = [
        at for at, line in enumerate(text.split("\n"), 1) if line.strip(" \r") and not line.lstrip(" ").startswith("#")
    ]
    if '"' not in text:
        assert told == set(lines)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_told(body: bytes) -> None:
    read(body)
