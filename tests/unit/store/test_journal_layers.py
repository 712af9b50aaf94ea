"""Entries laid together: each slot keeps its values in turn, and blocks that nothing changes stay in one layer."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gridwright.store.journal import layers as journal_layers
from gridwright.store.journal.layers import distinct, layers
from gridwright.store.journal.rows import Entry

DAY_S = 86_400
BEGIN = 20_000 * DAY_S


def an_entry(readings: list[tuple[int, int, int]], quality: int = 0x12) -> Entry:
    """Build an entry of (key, slot, value)."""
    key, slot, value = (np.array(column, np.int64) for column in zip(*readings, strict=True))
    return Entry(1, 900, key, BEGIN + slot * 900, value, np.full(key.size, quality, np.uint8))


def turns(entries: list[Entry]) -> list[dict[tuple[int, int], float]]:
    """Return what each layer gives, by key and slot."""
    found = []
    for layer in layers(entries):
        first = (layer.start_s - BEGIN) // 900
        row, column = np.nonzero(~np.isnan(layer.values))
        assert (layer.quality[row, column] == 0x12).all()
        keys, slots = layer.keys[row].tolist(), (column + first).tolist()
        found.append(dict(zip(zip(keys, slots, strict=True), layer.values[row, column].tolist(), strict=True)))
    return found


def test_what_agrees_becomes_one_layer() -> None:
    entries = [an_entry([(5, 0, 1), (7, 0, 2)]), an_entry([(5, 1, 3)]), an_entry([(7, 0, 2), (6, 1, 4)])]
    assert turns(entries) == [{(5, 0): 1, (7, 0): 2, (5, 1): 3, (6, 1): 4}]


def test_another_value_of_a_slot_has_its_turn_with_all_that_came_with_it() -> None:
    entries = [
        an_entry([(5, 0, 1), (7, 0, 2)]),
        an_entry([(5, 1, 3), (5, 0, 9)]),  # the block of 5 is superseded, with slot 1 added
        an_entry([(7, 1, 4), (5, 2, 8)]),  # comes after that for 5; for 7 nothing was superseded
        an_entry([(5, 0, 1)]),
    ]
    assert turns(entries) == [
        {(5, 0): 1, (7, 0): 2, (7, 1): 4},
        {(5, 1): 3, (5, 0): 9, (5, 2): 8},
        {(5, 0): 1},
    ]


def test_another_day_of_a_usage_point_is_a_block_of_its_own() -> None:
    entries = [an_entry([(5, 0, 1), (5, 96, 1)]), an_entry([(5, 0, 2)]), an_entry([(5, 97, 3)])]
    assert turns(entries) == [{(5, 0): 1, (5, 96): 1, (5, 97): 3}, {(5, 0): 2}]


def test_another_quality_is_another_value() -> None:
    shades = [layer.quality.tolist() for layer in layers([an_entry([(5, 0, 1)]), an_entry([(5, 0, 1)], 0x42)])]
    assert shades == [[[0x12]], [[0x42]]]


def test_readings_far_apart_do_not_make_a_large_panel() -> None:
    far = [(key * 1000, key * 96 * 40, 1) for key in range(40)]
    cells = [layer.values.size for layer in layers([an_entry(far)])]
    assert sum(cells) <= 40 * journal_layers.CELLS_PER_READING + journal_layers.FREE_CELLS
    assert sum(map(len, turns([an_entry(far)]))) == 40


@given(st.lists(st.integers(1, 2**40), min_size=1, max_size=30))
def test_distinct_keys_are_found_whether_near_or_far(keys: list[int]) -> None:
    found, place = distinct(np.array(keys))
    assert found.tolist() == sorted(set(keys))
    assert found[place].tolist() == keys


@given(st.data())
def test_in_turn_every_slot_ends_with_its_last_value(data: st.DataObject) -> None:
    reading = st.tuples(st.integers(1, 3), st.sampled_from([0, 1, 95, 96, 9_600]), st.integers(0, 2))
    entry = st.lists(reading, min_size=1, max_size=6, unique_by=lambda one: one[:2])
    given_entries = data.draw(st.lists(entry, min_size=1, max_size=8))
    want: dict[tuple[int, int], list[float]] = {}
    for readings in given_entries:
        for key, slot, one in readings:
            values = want.setdefault((key, slot), [])
            if values[-1:] != [one]:
                values.append(one)
    got: dict[tuple[int, int], list[float]] = {}
    for layer in turns([an_entry(readings) for readings in given_entries]):
        for place, value in layer.items():
            values = got.setdefault(place, [])
            if values[-1:] != [value]:
                values.append(value)
    assert got == want
