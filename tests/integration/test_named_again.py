"""An exchange booked late ends as one booked in time: whoever was read by usage point alone is the meter that hung."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from gridwright.api.answer import Answer
from gridwright.api.entrance import tell_readings
from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.names import directory_of, resolve
from gridwright.api.write.batch import Batch
from gridwright.api.write.batches import write
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import NotFound
from gridwright.domain.image import Image
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.formats.source import ReadOptions
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.cancel_exchange import ExchangeCancelling, cancel
from gridwright.jobs.meters.claim_meter import claim_meter
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.store import Store, open_store
from tests.integration.store.test_reads_in_any_order import Stored, stored
from tests.integration.store.test_rollovers import ALL_TIME, NOW, START

LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))
MINUTE, STEP = timedelta(minutes=1), 30
OLD, NEW = "M-1", "M-2"


@dataclass(frozen=True)
class Story:
    """What the registers show by minute, at which the meter went, and where each one began."""

    exchanged: int
    minutes: tuple[int, ...]
    by_meter: frozenset[int]
    opening: int = 7_000
    told: tuple[bool, bool] = (True, True)  # final and opening read are given
    first: int = 400_000

    def shown(self, minute: int, *, new: bool) -> int:
        counted = 11 * minute + minute // 7
        begun = 11 * self.exchanged + self.exchanged // 7
        return self.opening + counted - begun if new else self.first + counted

    def read(self, minute: int) -> tuple[str, int, int]:
        """Return who is named, when, and the Wh shown; of the very instant the old meter is read."""
        new = minute > self.exchanged
        return (NEW if new else OLD) if minute in self.by_meter else "UP-1", minute, self.shown(minute, new=new)

    def order(self, minute: int | None = None) -> MeterExchange:
        at = self.exchanged if minute is None else minute
        final, opening = Decimal(self.shown(self.exchanged, new=False)) / 1000, Decimal(self.opening) / 1000
        meter = Meter(NEW, dials=8, lsb_wh=1)
        reads = (final if self.told[0] else None, opening if self.told[1] else None)
        return MeterExchange("UP-1", meter, instant(at), *reads)


def instant(minute: int) -> datetime:
    return START + minute * MINUTE


@dataclass
class Site:
    """A usage point with its first meter, and what becomes of it."""

    store: Store
    story: Story
    folder: Path
    sent: int = field(default=0)

    def __post_init__(self) -> None:
        self.store.registry.save_points(ME, [UsagePoint("UP-1")])
        self.store.registry.save_meter(ME, Meter(OLD, dials=8, lsb_wh=1))
        self.store.registry.exchange_meter(ME, install("UP-1", OLD, ALL_TIME.start))

    def post(self, minutes: Sequence[int]) -> None:
        records = [
            {"meter": name, "at": instant(minute).isoformat(), "register_kwh": wh / 1000}
            for name, minute, wh in map(self.story.read, minutes)
        ]
        decoded = decode_json(msgspec.json.encode(records), Said(), NOW)
        directory = directory_of(self.store.registry.keys(ME), self.store.registry.installed(ME), 0.0)
        batch = Batch(ME, NOW, decoded, resolve(decoded, directory, ME), directory, tell_readings)
        (answer,) = write(self.store, [batch], NOW)
        assert isinstance(answer, Answer), answer

    def each(self, minutes: Sequence[int]) -> None:
        for minute in minutes:
            self.post([minute])

    def file(self, minutes: Sequence[int]) -> None:
        named = [self.story.read(minute) for minute in minutes]
        lines = [
            f"{name},{instant(minute):%Y-%m-%dT%H:%M:%SZ},{wh / 1000}" for name, minute, wh in named if name != NEW
        ]
        self.sent += 1
        path = self.folder / f"{self.sent}.csv"
        path.write_text("\n".join(["usage_point,time,register_kwh", *lines, ""]))
        if lines:
            ingest_file(self.store, ME, path, ReadOptions(kind="cumulative"), known_at=NOW)
        if later := [minute for name, minute, _ in named if name == NEW]:
            self.post(later)

    def exchange(self, minute: int | None = None) -> None:
        exchange_meter(self.store, ME, self.story.order(minute), now=NOW)

    def cancel(self, minute: int | None = None) -> None:
        at = instant(self.story.exchanged if minute is None else minute)
        cancel(self.store, ME, ExchangeCancelling("UP-1", at, "a trial", with_reads=True), now=NOW)

    def claim(self) -> None:
        hung = {each.end_device for each in self.store.registry.installations(ME, "UP-1")}
        for serial in sorted(hung):
            if self.store.quarantine.waiting(ME, serial):
                with suppress(NotFound):  # what is of when it did not hang there waits on
                    claim_meter(self.store, ME, MeterClaim(serial, "UP-1"), now=NOW)

    def end(self) -> End:
        self.claim()
        raw = stored(self.store)
        assert correct(self.store, ME, SiteDefaults(), now=NOW).failed == 0
        reads = [(each.at, each.end_device, each.value) for each in self.store.registers.load(ME, "UP-1", ALL_TIME)]
        findings = [(each.code, each.period, each.message) for each in self.store.findings.load(ME, ["UP-1"])]
        return End(raw, stored(self.store, Image.FINAL), sorted(reads), sorted(findings, key=str))


@dataclass(frozen=True)
class End:
    """What is stored in the end: energy, reads with their meters, and doubts."""

    raw: Stored
    final: Stored
    reads: list[tuple[datetime, str, float]]
    findings: list[tuple[str, object, str]]


Part = tuple[str, tuple[int, ...]]  # how reads come, and those that do; or an act of a person, at minutes


def ended(story: Story, parts: Sequence[Part]) -> End:
    with tempfile.TemporaryDirectory() as folder, open_store("sqlite://") as store:
        site = Site(store, story, Path(folder))
        for act, minutes in parts:
            if act in ("exchange", "cancel"):
                getattr(site, act)(*minutes)
            else:
                getattr(site, act)(minutes)
        return site.end()


@st.composite
def stories(draw: st.DrawFn) -> tuple[Story, list[Part]]:
    """Draw when reads come and how, and when the exchange is booked, tried, cancelled and booked again."""
    minutes = sorted(draw(st.sets(st.integers(0, 95), min_size=4, max_size=40)))
    minutes = [STEP * each for each in minutes]
    exchanged = draw(st.sampled_from([*minutes[1:-1], *(each + 7 for each in minutes[1:-1])]))
    by_meter = draw(st.sets(st.sampled_from(minutes), max_size=draw(st.sampled_from([0, 0, 3, 40]))))
    told = draw(st.sampled_from([(True, True), (True, True), (True, False), (False, True), (False, False)]))
    story = Story(exchanged, tuple(minutes), frozenset(by_meter), draw(st.sampled_from([0, 7_000, 900_000])), told)
    left, parts = list(draw(st.permutations(minutes)) if draw(st.booleans()) else minutes), list[Part]()
    while left:
        size = draw(st.integers(1, len(left)))
        parts.append((draw(st.sampled_from(["post", "each", "file"])), tuple(left[:size])))
        left = left[size:]
    acts: list[Part] = [("exchange", ())]
    # A read that named its meter gives way to the opening read of an exchange booked at its instant, and goes with it.
    trials = [exchanged, *(each for each in minutes[1:-1] if each not in by_meter)]
    for minute in draw(st.lists(st.sampled_from(trials), max_size=2)):
        acts = [("exchange", (minute,)), ("cancel", (minute,)), *acts]
    places = sorted(draw(st.lists(st.integers(0, len(parts)), min_size=len(acts), max_size=len(acts))))
    for place, act in reversed(list(zip(places, acts, strict=True))):
        parts.insert(place, act)
    return story, parts


@settings(max_examples=300 if LONG else 6, deadline=None, phases=[one for one in Phase if LONG or one != Phase.shrink])
@example(  # all that was derived is taken back: the registers are doubted all the same
    drawn=(Story(30, (0, 30, 60, 150), frozenset(), 0, (False, False)), [("post", (0, 30, 60, 150)), ("exchange", ())])
)
@example(  # what is told anew lies on another grid than the day has
    drawn=(
        Story(630, (0, 120, 390, 630, 690, 930, 960, 990, 1560, 2790), frozenset(), 900_000),
        [
            ("post", (120, 630, 2790)),
            ("file", (930, 0, 1560, 990)),
            ("post", (390,)),
            ("file", (690, 960)),
            ("exchange", ()),
        ],
    )
)
@example(  # the read of the exchange comes before any other of the old meter
    drawn=(
        Story(270, (240, 270, 750, 1260), frozenset({750, 1260}), 0, (False, True)),
        [("each", (270, 240, 1260, 750)), ("exchange", ())],
    )
)
@given(drawn=stories())
def test_whenever_an_exchange_is_booked_all_ends_in_the_same(drawn: tuple[Story, list[Part]]) -> None:
    story, parts = drawn
    reads = [part for part in parts if part[0] not in ("exchange", "cancel")]
    in_time = ended(story, [("exchange", ()), *reads])
    late = ended(story, parts)
    assert late.reads == in_time.reads
    assert late.raw == in_time.raw
    assert late.final == in_time.final
    assert late.findings == in_time.findings


def test_a_read_that_takes_the_place_of_a_final_read_is_kept() -> None:
    """The exchange was tried at a wrong instant, at which the usage point was read."""
    story = Story(1867, (840, 1050, 1830, 1860, 2010, 2100, 2190), frozenset(), 0, (True, False))
    reads: list[Part] = [("post", (840, 1860, 2190)), ("post", (2100, 1050, 2010, 1830))]
    late = ended(story, [*reads, ("exchange", (2100,)), ("cancel", (2100,)), ("exchange", ())])
    assert late == ended(story, [("exchange", ()), *reads])
