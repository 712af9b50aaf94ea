"""Rows of the journal: what is packed comes out again, and damage is told by name."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.errors import StoreCorrupt
from gridwright.store.journal.rows import CHECK, HEAD, LONGEST, Entry, pack_entry, unpack_entry

BEGIN = 1_740_787_200


def an_entry(count: int = 6, *, times: int = 1, step: int = 900) -> Entry:
    """Build readings of `count` usage points at the same times."""
    size = count * times
    key, at = np.repeat(np.arange(count) * 3 + 70_000, times), np.tile(np.arange(times) * step + BEGIN, count)
    return Entry(4, step, key, at, np.arange(size) * 11 - 5, np.full(size, 0x12, np.uint8))


def same(one: Entry, other: Entry) -> bool:
    columns = ("key", "at", "value", "quality")
    equal = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in columns)
    return equal and one.grid == other.grid and one.fill == other.fill


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Readings as they may come: any keys, times on a grid, counts and qualities; with the same times each, or not."""
    step = draw(st.sampled_from([1, 60, 900, 3600]))
    keys = draw(st.lists(st.integers(1, 2**40), min_size=1, max_size=8, unique=True))
    slots = draw(st.lists(st.integers(0, 2**32 // step), min_size=1, max_size=6, unique=True))
    phase = draw(st.integers(0, step - 1))
    pairs = [(key, slot) for key in keys for slot in slots]
    some = draw(st.lists(st.sampled_from(pairs), min_size=1, unique=True)) if draw(st.booleans()) else pairs
    counts = st.integers(-(2**53), 2**53) if draw(st.booleans()) else st.integers(-3, 400)
    value = draw(st.lists(counts, min_size=len(some), max_size=len(some)))
    shades = draw(st.sampled_from([[0x12], [0x12, 0x41, 0x00]]))
    quality = draw(st.lists(st.sampled_from(shades), min_size=len(some), max_size=len(some)))
    key, slot = np.array([one for one, _ in some]), np.array([one for _, one in some])
    at = slot * step + phase
    columns = key, at, np.array(value), np.array(quality, np.uint8)
    return Entry(draw(st.integers(1, 9)), step, *columns, draw(st.booleans()))


@given(entries())
def test_what_is_packed_comes_out_again(entry: Entry) -> None:
    assert same(unpack_entry(pack_entry(entry)), entry)


def test_an_instant_of_many_meters_takes_four_bytes_a_reading() -> None:
    entry = an_entry(10_000)
    assert len(pack_entry(entry)) == HEAD.size + 10_000 * (2 + 4) + 1 + CHECK.size  # values beyond 65,535
    days = an_entry(100, times=96)
    assert len(pack_entry(days)) == HEAD.size + 100 * 2 + 96 + 9_600 * 4 + CHECK.size


def test_a_long_entry_is_cut_into_rows() -> None:
    entry = an_entry(3, times=5)
    parts = list(entry.parts(4))
    assert [part.size for part in parts] == [4, 4, 4, 3]
    joined = [np.concatenate([getattr(part, name) for part in parts]) for name in ("key", "at", "value")]
    assert all(np.array_equal(one, getattr(entry, n)) for one, n in zip(joined, ("key", "at", "value"), strict=True))
    assert list(entry.parts()) == [entry]
    assert LONGEST * 17 < 16 << 20  # each part fits a packet of MariaDB


def test_every_flipped_bit_and_every_torn_end_is_told() -> None:
    whole = pack_entry(an_entry(3, times=2))
    for at in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[at // 8] ^= 1 << at % 8
        with pytest.raises(StoreCorrupt, match="journal row"):
            unpack_entry(bytes(damaged))
    for end in range(len(whole)):
        with pytest.raises(StoreCorrupt, match="checksum of a journal row"):
            unpack_entry(whole[:end])


def signed(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


def test_another_version_is_told_with_what_helps() -> None:
    whole = pack_entry(an_entry())
    with pytest.raises(StoreCorrupt, match=r"version 3.*\(install the Gridwright that wrote it"):
        unpack_entry(signed(b"\3" + whole[1 : -CHECK.size]))


def test_a_sound_checksum_over_nonsense_is_told() -> None:
    body = pack_entry(an_entry())[: -CHECK.size]
    for nonsense in (body[:-3], body[:1] + b"\3" + body[2:]):
        with pytest.raises(StoreCorrupt, match="does not hold what it says"):
            unpack_entry(signed(nonsense))
