"""A wrong read among right ones: what is stored, doubted and counted hangs on no order, no batch and no entrance."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.image import Image
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import open_store
from tests.integration.store import test_reads_in_any_order as right
from tests.integration.store.test_rollovers import ALL_TIME, NOW, a_place

LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))
Batches = Sequence[tuple[str, Sequence[float]]]


@dataclass(frozen=True)
class End:
    """What is stored in the end: reads, energy of both images, and doubts."""

    reads: list[tuple[datetime, float]]
    raw: right.Stored
    final: right.Stored
    findings: list[tuple[str, ...]]


def ended(batches: Batches, wrong: Mapping[float, float], capacity_kw: float | None = 2000.0) -> End:
    """Bring reads batch by batch into a new store, some of which show something wrong."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store("sqlite://") as store,
        pytest.MonkeyPatch.context() as each,
    ):
        shown = right.shown
        each.setattr(right, "shown", lambda minute: wrong.get(minute, shown(minute)))
        place = a_place(store, right.METER, capacity_kw)
        for entrance, minutes in batches:
            right.ENTRANCES[entrance](place, minutes, Path(folder))
        raw = right.stored(store)
        assert correct(store, ME, SiteDefaults(), now=NOW).failed == 0
        reads = [(read.at, read.value) for read in store.registers.load(ME, "UP-1", ALL_TIME)]
        doubts = [(each.code, str(each.period), each.message) for each in store.findings.load(ME, ["UP-1"])]
        return End(reads, raw, right.stored(store, Image.FINAL), sorted(doubts))


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[float], dict[float, float], float | None, list[tuple[str, list[float]]]]:
    """Draw reads, one of which is wrong, whether the connection carries it, and in which batches they come."""
    step, first = draw(st.sampled_from([15, 30, 60])), 60 * draw(st.integers(0, 10))
    minutes = [float(first + step * place) for place in range(draw(st.integers(5, 14)))]
    at = draw(st.sampled_from(minutes))
    off = draw(st.sampled_from([-9000.0, -40.0, -20.0, -1.0, 0.5, 5.0, 50.0, 9000.0]))
    wrong = {at: max(0.0, round(right.shown(at) + off, 3))}
    left, batches = draw(st.permutations(minutes)) if draw(st.booleans()) else minutes, []
    while left:
        size = draw(st.integers(1, len(left)))
        batches.append((draw(st.sampled_from(list(right.ENTRANCES))), list(left[:size])))
        left = left[size:]
    return minutes, wrong, draw(st.sampled_from([None, 2000.0])), batches


@settings(max_examples=200 if LONG else 4, deadline=None, phases=[one for one in Phase if LONG or one != Phase.shrink])
@given(story=stories())
def test_a_wrong_read_ends_in_the_same_whatever_came_with_it(
    story: tuple[list[float], dict[float, float], float | None, list[tuple[str, list[float]]]],
) -> None:
    minutes, wrong, capacity_kw, batches = story
    assert ended(batches, wrong, capacity_kw) == ended([("posted one by one", minutes)], wrong, capacity_kw)


@pytest.mark.parametrize("entrance", right.ENTRANCES)
@pytest.mark.parametrize("kwh", [0.5, 8.0, 9000.0], ids=["falls", "jumps a little", "jumps far"])
def test_each_entrance_keeps_it_sets_it_aside_and_draws_a_line(entrance: str, kwh: float) -> None:
    minutes = [60.0, 75.0, 90.0, 105.0, 120.0, 135.0]
    end = ended([(entrance, minutes)], {90.0: kwh})
    assert [value for _, value in end.reads][2] == 1000 * kwh
    assert {ends: quality for ends, (_, quality) in end.raw.items() if quality != q.OF_REGISTER} == {
        (75, 90): q.GUESSED,
        (90, 105): q.GUESSED,
    }
    whole = round(1000 * (right.shown(135.0) - right.shown(60.0))) * right.FACTOR
    assert sum(energy for energy, _ in end.raw.values()) == whole
    assert [code for code, *_ in end.findings] == ["V32_register"]
