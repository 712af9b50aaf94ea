"""The line protocol's part of the fault drill: bodies of 200 to 1,000 lines, acknowledged from the centre's journal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import NamedTuple

import httpx
import numpy as np
import numpy.typing as npt

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store

START = datetime(2020, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
FEWEST, MOST = 200, 1_000  # lines of a body
STRETCHED = 10  # usage points of a stretch
PACE_S = {"instants": 0.1, "stretches": 0.3, "revisions": 0.3}
AGAIN = {429, 503, 507}


class Body(NamedTuple):
    """Lines of the first `points` usage points for `slots` slots from `first` on."""

    first: int
    slots: int
    points: int

    @property
    def lines(self) -> int:
        return self.slots * self.points


@dataclass(slots=True)
class Feeder:
    """What sends one body of lines after another straight to the centre, each until it is told 204.

    `way`: one slot of hundreds of usage points, as head-ends send, or some hours of a few, as data loggers do, or
    `revisions`: the same with a draft of each body before it, which must not stay, in whichever order all is folded.
    """

    number: int
    way: str
    bodies: list[Body] = field(default_factory=list)  # those acknowledged
    drafted: bool = False  # the next body's draft was acknowledged
    resent: int = 0
    odd: list[str] = field(default_factory=list)

    @property
    def points(self) -> int:
        return MOST if self.way == "instants" else STRETCHED

    @property
    def acknowledged(self) -> int:
        return sum(body.lines for body in self.bodies)

    def name(self, point: int) -> str:
        return f"LP-{self.number}-{point}"

    def value(self, point: npt.NDArray[np.int64], slot: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return (700 * self.number + 11 * point + 3 * slot) % 90_000 + 1

    def next(self) -> Body:
        """Return the body that is to be acknowledged next; sent again it is the same."""
        turn = len(self.bodies)
        first = self.bodies[-1].first + self.bodies[-1].slots if turn else 0
        lines = FEWEST + turn * 137 % (MOST - FEWEST + 1)
        return Body(first, 1, lines) if self.way == "instants" else Body(first, lines // STRETCHED, STRETCHED)

    @property
    def is_draft(self) -> bool:
        """Whether what is sent next is a draft: its values are one more."""
        return self.way == "revisions" and not self.drafted

    def content(self, body: Body) -> str:
        point, slot = np.divmod(np.arange(body.lines), body.slots)
        slot = slot + body.first
        at = int(START.timestamp()) + 900 * slot
        rows = zip(point.tolist(), (self.value(point, slot) + self.is_draft).tolist(), at.tolist(), strict=True)
        return "\n".join(f"energy,usage_point={self.name(one)} kwh={wh / 1000} {when}" for one, wh, when in rows)

    async def send(self, client: httpx.AsyncClient, url: str, key: str) -> None:
        """Send the next body once."""
        body = self.next()
        try:
            answer = await client.post(
                f"{url}/api/v2/write",
                params={"precision": "s"},
                content=self.content(body),
                headers={"Authorization": f"Token {key}"},
            )
        except httpx.TransportError:
            self.resent += 1
            await asyncio.sleep(0.1)
            return
        if answer.status_code == HTTPStatus.NO_CONTENT:
            self.bodies += [] if self.is_draft else [body]
            self.drafted = self.is_draft
        elif answer.status_code in AGAIN:
            self.resent += 1
        else:
            self.odd.append(f"{answer.status_code} {answer.text}")
        await asyncio.sleep(PACE_S[self.way])


def feeders() -> list[Feeder]:
    return [Feeder(0, "instants"), Feeder(1, "instants"), Feeder(2, "stretches"), Feeder(3, "revisions")]


def prepare_lines(store: Store, every: Sequence[Feeder]) -> None:
    """Register the usage points of feeders."""
    store.registry.save_points(ME, [UsagePoint(one.name(point)) for one in every for point in range(one.points)])


class Found(NamedTuple):
    """What became of a feeder's lines: found in the store, lost, and with a value or at a slot never sent."""

    stored: int
    lost: int
    wrong: int


def compare_lines(store: Store, feeder: Feeder, bodies: Sequence[Body], since: int = 0) -> Found:
    """Compare acknowledged bodies, from the slot `since` on, with what is stored, by value.

    The body under way may be there too, whole or, where its request is still being served, not at all.
    """
    under_way = Feeder(feeder.number, feeder.way, list(bodies)).next()
    slots = under_way.first + under_way.slots
    expected = np.zeros((feeder.points, slots), np.bool_)
    for body in bodies:
        expected[: body.points, body.first : body.first + body.slots] = True
    allowed = expected.copy()
    allowed[: under_way.points, under_way.first :] = True
    period = Interval(START + QUARTER * since, START + QUARTER * slots)
    names = [feeder.name(point) for point in range(feeder.points)]
    values = store.readings.load(ME, names, period, interval=QUARTER).values
    there = ~np.isnan(values)
    point, slot = np.arange(feeder.points)[:, None], np.arange(since, slots)[None, :]
    right = values == feeder.value(point, slot)
    if feeder.way == "revisions":
        right |= (slot >= under_way.first) & (values == feeder.value(point, slot) + 1)
    wrong = (there & ~(right & allowed[:, since:])).sum()
    return Found(int(there.sum()), int((expected[:, since:] & ~there).sum()), int(wrong))
