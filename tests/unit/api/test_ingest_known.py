"""Names that are known from earlier bodies: what is remembered of them says what the registry says now."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from gridwright.api.ingest.lines import DecodedLines, LineMapping, decode_alike, decode_lines, usual_fields
from gridwright.api.ingest.names import Directories, Directory, Resolved, directory_of, resolve
from gridwright.api.ingest.places import dense
from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import Installation

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = datetime(2026, 3, 9, tzinfo=UTC)
MAPPING = LineMapping(usual_fields())
POINTS = [f"UP-{at}" for at in range(6)]


def registry(*hung: tuple[str, str, int, int], points: list[str] = POINTS) -> Directory:
    """Return a directory: (usage point, meter, from and to in hours of the day)."""
    installed = [
        Installation(point, meter, Interval(DAY + timedelta(hours=first), DAY + timedelta(hours=last)))
        for point, meter, first, last in hung
    ]
    return directory_of(dict.fromkeys(points, 0), installed, 0.0)


def lines(tag: str, names: list[str], field: str = "energy_kwh") -> bytes:
    """Write a day of hours of each name."""
    return b"".join(
        f"energy,{tag}={name} {field}={at}.5 {int((DAY + timedelta(hours=at)).timestamp())}\n".encode()
        for name in names
        for at in range(24)
    )


def decoded(body: bytes) -> DecodedLines:
    """Decode lines that are alike."""
    found = decode_alike(body, MAPPING, "s", NOW)
    assert found is not None
    return found


def told(resolved: Resolved, *, registers: bool = False) -> list[tuple[str, str, int, float]]:
    """Return usage point, meter, time and value of all readings, in order of the lines."""
    rows = []
    for part in resolved.registers if registers else resolved.intervals:
        devices = part.devices or ("",) * len(part.points)
        each = zip(part.line.tolist(), part.point.tolist(), part.at.tolist(), part.value.tolist(), strict=True)
        rows += [(line, part.points[point], devices[point], at, value) for line, point, at, value in each]
    return [row[1:] for row in sorted(rows)]


def strays(resolved: Resolved) -> list[tuple[str, int, float, int]]:
    """Return name, time, value and line of what goes into quarantine."""
    return [
        (part.points[point], at, value, line)
        for part in resolved.quarantined.between(0, resolved.quarantined.size)
        for point, at, value, line in zip(
            part.point.tolist(), part.at.tolist(), part.value.tolist(), part.line.tolist(), strict=True
        )
    ]


def both(body: bytes, directory: Directory, access: Access = LOCAL_OWNER, *, registers: bool = False) -> Resolved:
    """Resolve with what is remembered and without, which must come to the same."""
    known, plain = decoded(body), decoded(body)
    plain.numbered = None
    found, wanted = resolve(known, directory, access), resolve(plain, directory, access)
    assert told(found, registers=registers) == told(wanted, registers=registers)
    assert strays(found) == strays(wanted)
    assert known.verdicts == plain.verdicts
    return found


def test_an_exchanged_meter_counts_at_its_new_place_at_once() -> None:
    body = lines("meter", ["M-1", "M-2", "M-3"])
    before = both(body, registry(("UP-1", "M-1", 0, 24), ("UP-2", "M-2", 0, 12), ("UP-3", "M-2", 12, 24)))
    assert [row[0] for row in told(before)] == ["UP-1"] * 24 + ["UP-2"] * 12 + ["UP-3"] * 12
    assert before.quarantined.size == 24
    after = both(body, registry(("UP-2", "M-1", 0, 6), ("UP-4", "M-2", 0, 24), ("UP-5", "M-3", 0, 24)))
    assert [row[0] for row in told(after)] == ["UP-2"] * 6 + ["UP-4"] * 24 + ["UP-5"] * 24
    assert after.quarantined.size == 18


def test_registers_keep_the_meter_that_hung_at_the_time() -> None:
    body = lines("usage_point", ["UP-1"], "register_kwh") + lines("usage_point", ["UP-2"], "register_kwh")
    found = both(body, registry(("UP-1", "M-1", 0, 6), ("UP-1", "M-2", 6, 20)), registers=True)
    assert [row[:2] for row in told(found, registers=True)] == (
        [("UP-1", "M-1")] * 6 + [("UP-1", "M-2")] * 14 + [("UP-1", "")] * 4 + [("UP-2", "")] * 24
    )


def test_a_name_that_is_registered_later_is_looked_up_again() -> None:
    body = lines("usage_point", ["UP-1", "later"])
    assert both(body, registry()).quarantined.size == 24
    assert not both(body, registry(points=[*POINTS, "later"])).quarantined.size


def test_a_key_of_few_points_reaches_only_them() -> None:
    access = Access("device", Role.DEVICE, frozenset({"UP-2"}))
    found = both(lines("usage_point", ["UP-1", "UP-2", "nobody"]), registry(), access)
    assert {row[0] for row in told(found)} == {"UP-2"}
    assert not found.quarantined.size


def test_the_directory_is_read_again_only_for_names_it_does_not_have() -> None:
    unchanged = SimpleNamespace(store=SimpleNamespace(registry=SimpleNamespace(revision=0)))
    directories = Directories(cast("Any", unchanged))
    directories.now = dataclasses.replace(registry(), taken=100.0)
    assert not directories.must_read_before(decoded(lines("usage_point", ["UP-1", "UP-2"])), 100.5)
    assert directories.must_read_before(decoded(lines("usage_point", ["UP-1", "new"])), 100.5)
    assert directories.must_read_before(decoded(lines("usage_point", ["UP-1"])), 200.0)
    directories.now = dataclasses.replace(registry(points=[*POINTS, "new"]), taken=101.0)
    assert not directories.must_read_before(decoded(lines("usage_point", ["UP-1", "new"])), 101.5)


def test_wrong_names_are_told_with_their_line() -> None:
    body = lines("usage_point", ["UP-1", "x" * 500])
    found = decode_lines(body, MAPPING, "s", NOW)
    assert (found.verdicts.accepted, found.verdicts.rejected) == (24, 24)
    assert {(one.line, one.value[:5]) for one in found.verdicts.listed} == {(at, "xxxxx") for at in range(25, 49)}


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_dense_numbers(size: int) -> None:
    number = np.array([7, 3, 7, 9], np.int32)
    used, place = dense(number, size)
    assert used.tolist() == [3, 7, 9]
    assert used[place].tolist() == number.tolist()
