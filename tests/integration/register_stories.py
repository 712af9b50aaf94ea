"""Stories of a home whose meters are exchanged while readings are lost; what was used each minute is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise

import numpy as np

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, Values
from gridwright.domain.reading_type import (
    DELIVERED_ENERGY,
    DELIVERED_REGISTER,
    RECEIVED_ENERGY,
    RECEIVED_REGISTER,
    ReadingType,
)
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.cascade.correct import Corrected, correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.load.load_stretches import load_stretches
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.store import Store
from gridwright.vee.runs import Mask

DAY_MIN, DAYS = 1440, 16
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
START, NOW = datetime(2025, 1, 6, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
WHOLE = Interval(START, START + DAYS * DAY)
END = DAYS * DAY_MIN
BY_DAY = np.isin(np.arange(END) % DAY_MIN // 60, range(6, 22))
BY_TIME = {"T1": BY_DAY, "T2": ~BY_DAY}
DIALS = 8
Act = Callable[["Site"], None]


@dataclass(frozen=True)
class Story:
    """Meters follow each other at `moments` (minutes); each has a serial, a factor and an interval length in minutes.

    `gaps`: of what nothing was measured; `reads`: when registers were read. `fed_in`: what is fed in is measured, too;
    `by_time`: registers count by day and by night. `begun`: what registers show at first.
    """

    seed: int
    moments: tuple[int, ...]
    serials: tuple[str, ...]
    factors: tuple[int, ...]
    lengths: tuple[int, ...]
    gaps: tuple[tuple[int, int], ...]
    reads: tuple[int, ...]
    begun: int = 5000
    fed_in: bool = False
    by_time: bool = False

    @property
    def periods(self) -> list[tuple[int, int]]:
        """From when to when each meter hung."""
        return list(pairwise([0, *self.moments, END]))

    def hung(self, minute: int) -> int:
        """Return which of the meters hung at a minute."""
        return int(np.searchsorted(self.moments, minute))

    def used(self, salt: int = 0) -> Values:
        """Return what was used each minute, in Wh; registers behind a factor tell multiples of it."""
        minute = np.arange(END)
        noise = np.random.default_rng(self.seed + salt).normal(0, 3, END)
        each = np.rint(np.clip(8 + 6 * np.sin(minute / DAY_MIN * 6.28) + noise, 0, None))
        for (first, last), factor in zip(self.periods, self.factors, strict=True):
            each[first:last] = np.diff(np.r_[0, np.floor(np.cumsum(each[first:last]) / factor) * factor])
        return each

    def measured(self) -> Iterator[tuple[int, int, int]]:
        """Yield from when to when was measured, and with which interval length; a day has one of them."""
        changes = [at for at, (one, other) in zip(self.moments, pairwise(self.lengths), strict=True) if one != other]
        for first, last in pairwise([0, *(each for gap in self.gaps for each in gap), END]):
            if (first, last) in self.gaps:
                continue
            for at, length in zip([0, *changes], [self.lengths[0], *(self._length(at) for at in changes)], strict=True):
                until = min([last, *(other for other in changes if other > at)])
                since = max(first, -(-at // DAY_MIN) * DAY_MIN)
                begin, end = -(-since // length) * length, until // length * length
                if begin < end:
                    yield begin, end, length

    def _length(self, moment: int) -> int:
        return self.lengths[self.moments.index(moment) + 1]


def drawn(seed: int, *, changing: bool = False, fed_in: bool = False, by_time: bool = False) -> Story:
    """Draw a story: one to three exchanges around a gap, each on the grid, a minute beside it, or anywhere."""
    rng = np.random.default_rng(seed)
    length, first = int(rng.choice([15, 30, 60])), DAYS // 2 * DAY_MIN + 60 * int(rng.integers(0, 12))
    last = first + 60 * int(rng.integers(2, 30))

    def minute(since: int, until: int) -> int:
        at = int(rng.integers(since, until))
        return (at, at // 60 * 60, at // 60 * 60 + int(rng.choice([-1, 1])))[int(rng.integers(0, 3))]

    moments = sorted({minute(first - 60, last + 60) for _ in range(int(rng.integers(1, 4)))})
    serials, factors, lengths = ["A"], [int(rng.choice([1, 1, 40]))], [length]
    for number, _ in enumerate(moments, 1):
        transformers = rng.random() < 0.25
        serials.append(serials[-1] if transformers else "ABCD"[number])
        factors.append(factors[-1] * 2 if transformers else int(rng.choice([1, 1, 2, 40])))
        other = changing and not transformers
        lengths.append(int(rng.choice([15, 30, 60])) if other else lengths[-1])
    gaps, later = [(first, last)], last + 60 * int(rng.integers(1, 20))
    if rng.random() < 0.3:
        gaps.append((later, later + 60 * int(rng.integers(1, 10))))
    reads = {minute(first - DAY_MIN, last + DAY_MIN) for _ in range(int(rng.integers(0, 6)))} - set(moments)
    begun = 10**DIALS - 4000 if rng.random() < 0.3 else 5000
    ends = {0, END - DAY_MIN}
    return Story(
        seed,
        tuple(moments),
        tuple(serials),
        tuple(factors),
        tuple(lengths),
        tuple(gaps),
        tuple(sorted(reads | ends)),
        begun,
        fed_in,
        by_time,
    )


@dataclass
class Site:
    """A usage point at which a story happens."""

    store: Store
    story: Story
    now: datetime = NOW
    kinds: dict[str, tuple[ReadingType, ReadingType]] = field(init=False)
    counted: dict[str, Values] = field(init=False)

    def __post_init__(self) -> None:
        story = self.story
        self.kinds = {"": (DELIVERED_ENERGY, DELIVERED_REGISTER)}
        each = {"": story.used()}
        if story.fed_in:
            self.kinds["fed in"], each["fed in"] = (RECEIVED_ENERGY, RECEIVED_REGISTER), story.used(500)
        for name, counts in BY_TIME.items() if story.by_time else ():
            self.kinds[name] = replace(DELIVERED_ENERGY, channel=name), replace(DELIVERED_REGISTER, channel=name)
            each[name] = each[""] * counts
        self.counted = {name: np.r_[0, np.cumsum(some)] for name, some in each.items()}
        attributes = {"tou_registers": "T1 06:00-22:00; T2 rest"} if story.by_time else {}
        self.store.registry.save_points(ME, [UsagePoint("H", "UTC", capacity_kw=17.0, attributes=attributes)])
        self.store.registry.save_meter(ME, Meter("A", dials=DIALS, lsb_wh=1))
        self.store.registry.save_installation(ME, install("H", "A", START - DAY, Decimal(story.factors[0])))

    def between(self, name: str, first: int, last: int) -> float:
        """Return what was used from one minute to another."""
        return float(self.counted[name][last] - self.counted[name][first])

    def shown(self, name: str, minute: int, number: int) -> int:
        """Return what the register of a meter shows at a minute, in Wh."""
        story = self.story
        first = story.serials.index(story.serials[number])
        total = float(story.begun + 1000 * first)
        for (since, until), factor in list(zip(story.periods, story.factors, strict=True))[first : number + 1]:
            total += self.between(name, since, min(until, minute)) / factor
        return int(round(total) % 10**DIALS)

    def measure(self, name: str, first: int, last: int, length: int) -> None:
        values = np.diff(self.counted[name][first : last + 1 : length])[None]
        panel = Panel(("H",), START + first * MINUTE, length * MINUTE, values, reading_type=self.kinds[name][0])
        self.store.readings.save(ME, panel, known_at=self.now)

    def read(self, name: str, minute: int, number: int) -> None:
        at, shown = START + minute * MINUTE, float(self.shown(name, minute, number))
        one = RegisterReading("H", at, shown, self.story.serials[number], reading_type=self.kinds[name][1])
        keep_reads(self.store, ME, in_epochs(self.store, ME, [one]), known_at=self.now, derive=True)

    def exchange(self, number: int) -> None:
        """Book an exchange with final and opening reads; registers by time of use are read at the same instant."""
        story, at = self.story, self.story.moments[number]
        kwh = {
            name: [Decimal(self.shown(name, at, each)) / 1000 for each in (number, number + 1)] for name in self.kinds
        }
        (final, opening), received = kwh[""], kwh.get("fed in", [None, None])
        meter = Meter(story.serials[number + 1], dials=DIALS, lsb_wh=1)
        factor = Decimal(story.factors[number + 1])
        order = MeterExchange("H", meter, START + at * MINUTE, final, opening, factor, received[0], received[1])
        exchange_meter(self.store, ME, order, now=self.now)
        for name in set(self.kinds) & set(BY_TIME):
            for which in (number, number + 1)[: 1 + (story.serials[number] != story.serials[number + 1])]:
                self.read(name, at, which)

    def acts(self) -> list[Act]:
        """Return what brings readings and reads, in order."""
        story = self.story
        flows = [name for name in self.kinds if name not in BY_TIME]
        brings = [partial(_measure, name=name, part=part) for name in flows for part in story.measured()]
        reads = [partial(_read, name=name, minute=minute) for name in self.kinds for minute in story.reads]
        return [*brings, *reads]

    def judge(self) -> Corrected:
        done = correct(self.store, ME, SiteDefaults(), now=self.now)
        assert done.failed == 0
        return done

    def finals(self, name: str, as_of: datetime | None = None) -> list[Panel]:
        kind = self.kinds[name][0]
        panels = load_stretches(self.store, ME, ["H"], WHOLE, kind, image=Image.FINAL, as_of=as_of)
        return sorted(panels, key=lambda panel: panel.start)

    def doubts(self) -> list[tuple[str, str, str, str]]:
        """Return what is doubted, but for how the readings came."""
        found = [each for each in self.store.findings.load(ME, ["H"]) if each.code != "V03_duplicate"]
        return sorted((each.code, str(each.period), str(each.reading_type), each.message) for each in found)


def _measure(site: Site, name: str, part: tuple[int, int, int]) -> None:
    site.measure(name, *part)


def _read(site: Site, name: str, minute: int) -> None:
    site.read(name, minute, site.story.hung(minute))


def play(site: Site, order: int = 0, *, judged: float = 0.15) -> None:
    """Let a story happen: exchanges are booked first, or (`order`) come anywhere among all else, judged meanwhile."""
    acts: list[Act | None] = [*site.acts()]
    exchanges = iter(range(len(site.story.moments)))
    if not order:
        for number in exchanges:
            site.exchange(number)
        for act in site.acts():
            act(site)
    else:
        rng = np.random.default_rng(order)
        acts += [None] * len(site.story.moments)
        for place in rng.permutation(len(acts)).tolist():
            act = acts[place]
            act(site) if act is not None else site.exchange(next(exchanges))
            if rng.random() < judged:
                site.judge()
    site.judge()


def disagreements(site: Site) -> list[tuple[str, int, int, float]]:
    """Return between which reads on the grid the final image is not what was used, and by how much."""
    story, found = site.story, list[tuple[str, int, int, float]]()
    minutes = sorted({*story.reads, *story.moments})
    for name in site.kinds:
        panels = site.finals("" if name in BY_TIME else name)
        edges = _summed(panels, BY_TIME.get(name))
        told = [minute for minute in minutes if minute in edges]
        for first, last in pairwise(told):
            off = edges[last] - edges[first] - site.between(name, first, last)
            found += [(name, first, last, off)] if off else []
        assert told[0] == 0
        assert told[-1] == END - DAY_MIN
    return found


def _summed(panels: Sequence[Panel], counts: Mask | None) -> Mapping[int, float]:
    """Return what the intervals hold up to each of their edges, NaN from the first on that lacks."""
    edges, total = {0: 0.0}, 0.0
    for panel in panels:
        first, length = (panel.start - START) // MINUTE, panel.interval // MINUTE
        begins = first + length * np.arange(panel.slots)
        assert first in edges, "a break between two grids"
        for begin, value in zip(begins.tolist(), panel.values[0].tolist(), strict=True):
            total += value if counts is None or counts[begin] else 0.0
            edges[begin + length] = total
    return edges
