"""Estimated register reads make none that was taken doubtful, and no order of arrival makes a difference."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.finding import Severity
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.store import Store, open_store
from tests.integration.store.test_rollovers import ALL_TIME, NOW, START, Place, a_place

METER = Meter("M-1", dials=5, lsb_wh=1000)
HOUR = timedelta(hours=1)
Read = tuple[int, int, bool]  # after so many hours, kWh, whether it is an estimate
Batches = Sequence[tuple[str, Sequence[Read]]]
Told = list[tuple[datetime, float, int, bool]]


def post(place: Place, reads: Sequence[Read], _: Path) -> None:
    records = [
        {
            "meter": "M-1",
            "at": (START + hour * HOUR).isoformat(),
            "register_kwh": kwh,
            "quality": "estimated" if guess else "raw",
        }
        for hour, kwh, guess in reads
    ]
    place.post(decode_json(msgspec.json.encode(records), Said(), NOW))


def bring_file(place: Place, reads: Sequence[Read], folder: Path) -> None:
    rows = [
        f"UP-1,{(START + hour * HOUR).isoformat()},{kwh},{'estimated' if guess else 'raw'}\n"
        for hour, kwh, guess in sorted(reads)
    ]
    path = folder / "reads.csv"
    path.write_text("meter_id,at,register_kwh,quality\n" + "".join(rows))
    ingest_file(place.store, ME, path, ReadOptions(kind="cumulative"), known_at=NOW)


def collect(place: Place, reads: Sequence[Read], _: Path) -> None:
    some = [
        RegisterReading("UP-1", START + hour * HOUR, kwh * 1000, "M-1", quality=q.Status.ESTIMATED if guess else q.RAW)
        for hour, kwh, guess in reads
    ]
    keep_reads(place.store, ME, in_epochs(place.store, ME, some), known_at=NOW, derive=True)


ENTRANCES: dict[str, Callable[[Place, Sequence[Read], Path], None]] = {
    "posted": post,
    "filed": bring_file,
    "collected": collect,
}


def told(store: Store) -> Told:
    reads = store.registers.load(ME, "UP-1", ALL_TIME)
    return [(read.at, read.value, read.epoch, read.is_estimate) for read in reads]


def doubts(store: Store) -> list[tuple[str, str, str]]:
    """Return what is told of the reads that were taken."""
    found = store.findings.load(ME, ["UP-1"])
    return sorted((each.code, str(each.period), each.message) for each in found if each.severity is not Severity.INFO)


def ended(batches: Batches, *, taken: bool = False) -> tuple[Told, list[tuple[str, ...]]]:
    """Bring reads batch by batch into a new store; `taken`: return those alone."""
    with tempfile.TemporaryDirectory() as folder, open_store("sqlite://") as store:
        place = a_place(store, METER, None)
        for entrance, reads in batches:
            ENTRANCES[entrance](place, reads, Path(folder))
        return [each for each in told(store) if not (taken and each[-1])], list(doubts(store))


def among_themselves(end: tuple[Told, list[tuple[str, ...]]]) -> tuple[Told, list[tuple[str, ...]]]:
    """Return an end with epochs from that of the first read on."""
    reads, found = end
    return [(at, value, epoch - reads[0][2], guess) for at, value, epoch, guess in reads], found


@st.composite
def stories(draw: st.DrawFn, *, resets: bool) -> tuple[list[Read], Batches]:
    """Draw reads that rise, or are reset at times, estimates among them that lie anywhere, and their batches."""
    hours = draw(st.lists(st.integers(0, 60), min_size=3, max_size=12, unique=True).map(sorted))
    stood, reads = 1000, []
    for hour in hours:
        stood = draw(st.sampled_from([stood + 5, stood + 5, stood + 5, stood + 50, 3 if resets else stood]))
        guess = draw(st.booleans())
        reads.append((hour, max(stood + draw(st.sampled_from([0, -40, 40, 900])), 0) if guess else stood, guess))
    left, batches = draw(st.permutations(reads)), []
    while left:
        size = draw(st.integers(1, len(left)))
        batches.append((draw(st.sampled_from(list(ENTRANCES))), list(left[:size])))
        left = left[size:]
    return reads, batches


@settings(max_examples=25, deadline=None)
@given(story=stories(resets=True))
def test_reads_that_were_taken_end_as_if_no_estimate_had_come(story: tuple[list[Read], Batches]) -> None:
    _, batches = story
    alone = [(entrance, some) for entrance, reads in batches if (some := [read for read in reads if not read[-1]])]
    assert among_themselves(ended(batches, taken=True)) == among_themselves(ended(alone))


@settings(max_examples=25, deadline=None)
@given(story=stories(resets=False))
def test_estimates_end_in_the_same_whatever_came_first(story: tuple[list[Read], Batches]) -> None:
    reads, batches = story
    assert ended(batches) == ended([("posted", [read]) for read in reads])


GUESSES: list[Read] = [(0, 1300, False), (10, 1390, True), (20, 1400, True), (30, 1350, False), (40, 1500, False)]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 2, 4, 1, 0]], ids=str)
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_an_actual_read_below_an_estimate_is_not_doubted(
    store: Store, tmp_path: Path, entrance: str, order: Sequence[int]
) -> None:
    place = a_place(store, METER, None)
    for at in order:
        ENTRANCES[entrance](place, [GUESSES[at]], tmp_path)
    assert [(value, epoch) for _, value, epoch, guess in told(store) if not guess] == [
        (1300e3, 0),
        (1350e3, 0),
        (1500e3, 0),
    ]
    assert doubts(store) == []
    found = {each.period.start: each for each in store.findings.load(ME, ["UP-1"])}
    assert {each.severity for each in found.values()} == {Severity.INFO}
    assert len(found) == 2
    assert "estimated register read 1400000 Wh contradicts" in found[START + 20 * HOUR].message


@pytest.mark.parametrize("first", [False, True], ids=["actual first", "estimate first"])
def test_an_estimate_never_takes_the_place_of_an_actual_read(store: Store, tmp_path: Path, *, first: bool) -> None:
    place = a_place(store, METER, None)
    for guess in (first, not first):
        post(place, [(5, 1400 if guess else 1350, guess)], tmp_path)
    assert told(store) == [(START + 5 * HOUR, 1350e3, 0, False)]


def test_one_that_nothing_contradicts_lies_among_the_others(store: Store, tmp_path: Path) -> None:
    place = a_place(store, METER, None)
    post(place, [(0, 1300, False), (24, 1320, True), (48, 1350, False)], tmp_path)
    assert [each[2:] for each in told(store)] == [(0, False), (0, True), (0, False)]
    assert not store.findings.load(ME, ["UP-1"])
