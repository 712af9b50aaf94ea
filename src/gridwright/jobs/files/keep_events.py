"""What a file says of devices: kept where they hang; of a place that nobody knows it waits, as readings do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gridwright.domain.access import Access
from gridwright.domain.event import NAMED, OFF, POWER_ON, UNTIL, EndDeviceEvent, Reported
from gridwright.domain.interval import epoch_s, from_epoch_s
from gridwright.domain.verdict import Reject
from gridwright.formats.source import KEPT_REJECTS, Decoded
from gridwright.ingest import Tally
from gridwright.ingest.possible import ANCIENT, FIRST_S
from gridwright.jobs.store_port import StorePort

NO_ROOM = "its usage point is unknown, and the quarantine is full", "claim or drop what waits, and import again"
LEFT_OUT = "events of unknown usage points are left out, for the quarantine is full: claim or drop what waits"
CLOCK = "check the device's clock and the zone"


@dataclass(frozen=True, slots=True)
class KeptEvents:
    """What became of events: the tally of those that are records of their own, and how many wait by device."""

    tally: Tally = field(default_factory=Tally)
    waiting: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class EventKeeper:
    """Keeps events that came in at an instant; `not_after`: epoch second, none can be of a later time."""

    store: StorePort
    access: Access
    not_after: int | None
    known_at: datetime
    is_known: Callable[[str], bool]

    def keep(self, decoded: Decoded) -> KeptEvents:
        """Keep what readings said of their devices, and what devices reported."""
        if not (decoded.events or decoded.reports):
            return KeptEvents()
        # Of a time that cannot be, the reading itself is refused, and told.
        said = [self._placed(each) for each in decoded.events if not self._fault(each.at)]
        told = [each._replace(event=self._placed(each.event)) for each in decoded.reports]
        wrong = [(each, fault, CLOCK) for each in told if (fault := self._fault(each.event.at))]
        told = [each for each in told if not self._fault(each.event.at)]
        self._save(each for each in said if each.usage_point)
        there = [each.event for each in told if each.event.usage_point]
        new = self._save(there)
        self._save(self._ends(there))
        waiting, full, notes = self._wait([each for each in said if not each.usage_point], told)
        refused = [*wrong, *((each, *NO_ROOM) for each in full)]
        listed = tuple(_reject(*each) for each in refused[:KEPT_REJECTS])
        tally = Tally(new, len(there) - new, rejected=len(refused), listed=listed, notes=notes)
        return KeptEvents(tally, waiting)

    def _wait(
        self, said: Sequence[EndDeviceEvent], told: Sequence[Reported]
    ) -> tuple[Counter[str], Sequence[Reported], tuple[str, ...]]:
        """Let events wait that have no place, as far as there is room; return how many, and which found none."""
        told = [each for each in told if not each.event.usage_point]
        if not (said or told):
            return Counter(), (), ()
        room = self.store.waiting_events.room(self.access)
        waits, left = [each.event for each in told[:room]], max(0, room - len(told))
        waits += said[:left]
        self._save([*waits, *self._ends(waits)])
        return Counter(each.end_device for each in waits), told[room:], (LEFT_OUT,) if said[left:] else ()

    def _placed(self, event: EndDeviceEvent) -> EndDeviceEvent:
        """Return an event at its usage point, which a device's name may be too; at none where nobody knows it."""
        event = replace(event, known_at=self.known_at)
        point = event.usage_point or event.end_device
        if self.is_known(point):
            return replace(event, usage_point=point)
        named: Mapping[str, str] = {} if point == event.end_device else {NAMED: point}
        return replace(event, usage_point="", details={**event.details, **named})

    def _ends(self, events: Iterable[EndDeviceEvent]) -> Iterator[EndDeviceEvent]:
        """Yield that power was back where an event says until when it was gone; what is to come has not been."""
        for each in events:
            if each.type in OFF and UNTIL in each.details:
                end = datetime.fromisoformat(each.details[UNTIL])
                if not self._fault(end):
                    yield replace(each, type=POWER_ON, at=end, details=_without(each.details))

    def _save(self, events: Iterable[EndDeviceEvent]) -> int:
        these = list(events)
        return self.store.devices.save_events(self.access, these) if these else 0

    def _fault(self, at: datetime) -> str:
        """Return why nothing can be of a time; empty where it can."""
        second = epoch_s(at)
        if second < FIRST_S:
            return ANCIENT
        late = self.not_after is not None and second > self.not_after
        return f"stamp lies in the future (after {from_epoch_s(self.not_after or 0).isoformat()})" if late else ""


def _without(details: Mapping[str, str]) -> Mapping[str, str]:
    return {name: said for name, said in details.items() if name != UNTIL}


def waiting_notes(waiting: Mapping[str, int]) -> Iterator[str]:
    """Say which events wait, and what helps."""
    if waiting:
        first, count = next(iter(waiting)), sum(waiting.values())
        whose = f"device {first}" if len(waiting) == 1 else f"{len(waiting):,} devices, such as {first}"
        yield (
            f"{count:,} {'event' if count == 1 else 'events'} of {whose}, of a usage point that nobody knows: in "
            f"quarantine; claim what waits (gridwright quarantine claim {first} USAGE_POINT), "
            "or register the usage point and import again"
        )


def _reject(each: Reported, reason: str, remedy: str) -> Reject:
    return Reject(each.line, reason, remedy, each.event.at.isoformat(), each.text)
