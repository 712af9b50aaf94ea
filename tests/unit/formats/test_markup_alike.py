"""Records that are written alike are read by the tags of the first one: as one by one, and whatever damage there is."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest

from benchmarks.markup import indented
from gridwright.domain.errors import GridwrightError
from gridwright.domain.panel import Panel
from gridwright.formats.cim_xml import CIM_XML_WRITER
from gridwright.formats.green_button import GREEN_BUTTON_WRITER
from gridwright.formats.markup import Kept, alike, read_records
from tests.unit.formats.markup_reading import read

LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))
NEVER = 1 << 40
SIGNS = b"<>/\"'&; \n\t1a!?-:=."
LETTERS = b"aeinrtvEIRT"
PIECES = (b"<!-- x -->", b"<value>7</value>", b"<cost>7</cost>", b"</IntervalReading>", b"<IntervalReading>", b"<x/>")


@cache
def document(name: str) -> bytes:
    values = np.arange(24.0).reshape(2, 12) * 37
    panel = Panel(("a", "b"), datetime(2025, 3, 9, 5, tzinfo=UTC), timedelta(minutes=15), values)
    if name == "cim":
        return b"".join(CIM_XML_WRITER.write([panel], [], {}))
    feed = b"".join(GREEN_BUTTON_WRITER.write([panel], [], {}))
    if name == "prefixed":
        body = feed.replace(b' xmlns="http://naesb.org/espi"', b' xmlns:espi="http://naesb.org/espi"')
        for tag in (b"IntervalBlock", b"IntervalReading", b"timePeriod", b"start", b"duration", b"value", b"interval"):
            body = body.replace(b"<" + tag, b"<espi:" + tag).replace(b"</" + tag, b"</espi:" + tag)
        return body
    return indented(feed) if name == "indented" else feed


def shown(data: bytes, monkeypatch: pytest.MonkeyPatch, fewest: int) -> tuple[int, object]:
    """Return how many readings are found, and all that is found or why nothing can be."""
    monkeypatch.setattr(alike, "FEWEST", fewest)
    try:
        found = read(data)
    except GridwrightError as error:
        return 0, str(error)
    columns = [
        [each.tolist() for each in (one.point, one.at, one.quality, one.line, one.value)] for one in found.series
    ]
    heads = [(one.points, one.reading_type, one.interval_s, one.devices) for one in found.series]
    rest = found.rejects, found.rejected, found.records, found.zones, found.notes
    return len(found.values), (heads, columns, rest)


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Return a document with a sign or two replaced, lost or put in, or a line moved."""
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(data))
        begin, end = sorted((at, rng.randrange(len(data))))
        change = rng.choice(["replace", "letter", "lose", "put", "piece", "cut", "again", "tail"])
        one = bytes([rng.choice(LETTERS if change == "letter" else SIGNS)])
        if change in {"replace", "letter"}:
            data = data[:at] + one + data[at + 1 :]
        elif change in {"lose", "tail"}:
            data = data[:at] + (data[at + 1 :] if change == "lose" else b"")
        elif change in {"put", "piece"}:
            data = data[:at] + (one if change == "put" else rng.choice(PIECES)) + data[at:]
        else:
            part = data[begin : min(end, begin + 400)]
            data = data[:begin] + (part + data[begin:] if change == "again" else data[begin + len(part) :])
    return data


def values_of(data: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    both = [shown(data, monkeypatch, fewest) for fewest in (2, NEVER)]
    assert str(both[0]) == str(both[1])
    return both[0][0]


@pytest.mark.parametrize("name", ["plain", "indented", "prefixed", "cim"])
def test_what_is_alike_is_read_as_one_by_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert values_of(document(name), monkeypatch) == 24


@pytest.mark.parametrize("name", ["plain", "indented", "prefixed", "cim"])
def test_so_it_is_with_any_damage(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(5)  # noqa: S311 - damage, no secret
    for _ in range(5000 if LONG else 60):
        values_of(damaged(rng, document(name)), monkeypatch)


KEPT = Kept("r", ("h",), frozenset({"a"}))
NAMES = ("h", "r", "a", "b")
SOME = "<r><a>1</a><x y='1'/></r>\n" * 9


@pytest.mark.parametrize(
    ("text", "is_alike"),
    [
        (f"<h>{SOME}</h>", True),
        (f"<h><!-- {SOME} -->{SOME}</h>", True),
        (f"<h>{SOME.replace('</a><x', '</a> <x')}</h></r>", True),
        (f"<h>{SOME}<r><a>1</a><x/></r></h>", False),
        (f"<h>{SOME}<r><a>1</a><x y='1'></r></h>", False),
        (f"<h>{SOME}<r b='1'><a>1</a><x y='1'/></r></h>", False),
        (f"<h>{SOME}<r><b>1</b><x y='1'/></r></h>", False),
        (f"<h>{SOME.replace('<a>1</a>', '<b>1</b>')}</h>", False),
        (f"<b>{SOME}</b>", False),
        (f"<h>{SOME}<</h>", False),
        (f"<h>{SOME[:40]}</h>", False),
    ],
)
def test_only_records_that_have_the_tags_of_the_first_one_are_read_so(text: str, *, is_alike: bool) -> None:
    tags, found = read_records(text.encode(), 1, NAMES, KEPT)
    assert bool(tags.which("r", 0).size) != is_alike
    assert found.size >= 1
    leaf = found.leaf("a", 1)
    assert {tags.shown(*span) for span in zip(leaf.start.tolist(), leaf.end.tolist(), strict=True)} <= {"1"}
    record, name_end, end = found.inside("a", 1)
    assert all(tags.text[at] == ord(">") for at in end.tolist())
    assert (name_end == end).all()
    assert record.tolist() == sorted(record.tolist())
