"""Messages about outages: the body of `POST /v1/grid/outages`, or with `cancel` that of `…/cancel`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import ValidationError

from gridwright.api.ingest.meaning import Wrong
from gridwright.api.ingest.verdicts import Fault, Verdicts
from gridwright.api.outages import with_verdicts
from gridwright.api.shapes.field import OutageCancelled, OutageNew
from gridwright.api.write.patience import is_refusal, passes
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import GridwrightError, StoreError
from gridwright.jobs.grid.tell_outage import OutageTold, cancel_outage, require_likely, tell_outage
from gridwright.listen.turns import Turns

if TYPE_CHECKING:
    from gridwright.app import Platform

CONTROL_ROOM = Access("mqtt", Role.OPERATOR)
CANCEL = "cancel"
SHOWN = 120
BODY = 'send {"usage_points": […], "from": …, "to": …}'


@dataclass(frozen=True, slots=True)
class OutageMessage:
    """What a message says: an outage, or that one never was."""

    named: Sequence[object]
    told: OutageTold
    cancels: bool


class Outages:
    """Takes what is published to topics of outages, one after another as it came."""

    def __init__(self, platform: Platform, topics: Sequence[str], pauses_s: Sequence[float]) -> None:
        self._platform, self._filters, self._pauses_s = platform, [topic.split("/") for topic in topics], pauses_s
        self._turns, self._numbers = Turns(), count()

    def next_of(self, topic: str) -> int | None:
        """Return the turn of a message; None where its topic is not of outages."""
        levels = topic.split("/")
        return next(self._numbers) if any(is_of(levels, one) for one in self._filters) else None

    async def keep(self, payload: bytes, number: int) -> Verdicts:
        """Return the verdicts on its usage points once it is on the disk, however long the database is away.

        Wrong where nothing of it can be taken.
        """
        async with self._turns.of(number):
            message = read_outage(payload)
            for attempt in count():
                try:
                    return await asyncio.to_thread(self._apply, message)
                except StoreError as error:
                    if is_refusal(error) or not passes(error):
                        raise
                    await asyncio.sleep(self._pauses_s[min(attempt, len(self._pauses_s) - 1)])
                except GridwrightError as error:
                    fault = Fault(error.where or "usage_points", error.message, error.remedy)
                    raise Wrong(fault, payload[:SHOWN].decode(errors="replace")) from error
        raise AssertionError("unreachable")

    def _apply(self, message: OutageMessage) -> Verdicts:
        store, now = self._platform.store, self._platform.clock()
        act = cancel_outage if message.cancels else tell_outage
        if not message.cancels:
            require_likely(message.told, now)
        return with_verdicts(
            message.named, lambda names: act(store, CONTROL_ROOM, replace(message.told, usage_points=names), now=now)
        )[1]


def read_outage(payload: bytes) -> OutageMessage:
    """Return what a message says; Wrong where it says nothing of an outage."""
    shown = payload[:SHOWN].decode(errors="replace")
    try:
        body = msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Wrong(Fault("payload", "it is no JSON object", BODY), shown) from None
    cancels = body.pop(CANCEL, False)
    if not isinstance(cancels, bool):
        raise Wrong(Fault(CANCEL, "it is neither true nor false", "leave it out to tell of an outage"), shown)
    try:
        told = OutageCancelled.model_validate(body) if cancels else OutageNew.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "payload"
        raise Wrong(Fault(field, first["msg"].removeprefix("Value error, "), BODY), shown) from None
    end = told.end if isinstance(told, OutageNew) else None
    return OutageMessage(told.usage_points, OutageTold((), told.start, end, told.text), cancels)


def is_of(levels: Sequence[str], wanted: Sequence[str]) -> bool:
    """Tell whether a topic is one of a filter's, `+` being any one level and `#` all that follow."""
    if wanted[-1] == "#" and len(levels) >= len(wanted) - 1:
        levels, wanted = levels[: len(wanted) - 1], wanted[:-1]
    return len(levels) == len(wanted) and all(one in {"+", level} for level, one in zip(levels, wanted, strict=True))
