"""A file that names an installed meter brings the readings of the usage point where it hung at the time of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.interval import epoch_s
from gridwright.domain.reading_type import Accumulation
from gridwright.domain.readings import Readings
from gridwright.domain.twins import twin_note, twins_in
from gridwright.domain.usage_point import Installation
from gridwright.formats.source import Decoded
from gridwright.ingest.order import take
from gridwright.jobs.files.sound import of_use

Hung = tuple[str, int, int]  # the usage point, and from when to before when a meter hung there, epoch seconds
Pair = tuple[str, str]  # usage point and meter
NOWHERE = -1
RESOLVED = "meters are named by their serial numbers: what they measured is that of the usage points where they hung"


@dataclass(frozen=True, slots=True)
class HungMeters:
    """Where the meters hang or hung, by serial number; `own`: those that are named like a usage point elsewhere.

    What names both a usage point and a meter says itself where it belongs.
    """

    places: Mapping[str, tuple[Hung, ...]] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)

    def placed(self, decoded: Decoded) -> Decoded:
        """Return what was decoded under its usage points; `strays` are readings of when their meter hung nowhere."""
        if not self.places and not self.own:
            return decoded
        series, strays, named, moved = [], list(decoded.strays), set[str](), False
        for part in decoded.series:
            entries = [entry for entry, name in enumerate(part.points) if _names_one(part, entry, name)]
            named |= {part.points[entry] for entry in entries if part.points[entry] in self.own}
            mine = [entry for entry in entries if part.points[entry] in self.places]
            moved |= bool(mine)
            kept, stray = self._at_places(part, mine) if mine else (part, None)
            series += [kept] if kept.size else []
            strays += [stray] if stray is not None and stray.size else []
        notes = (*decoded.notes, *self._own_notes(named), *([RESOLVED] if moved else []))
        return self._rest(replace(decoded, series=tuple(series), strays=tuple(strays), notes=notes))

    def _rest(self, decoded: Decoded) -> Decoded:
        """Return it with its zones, events and what it tells of meters under usage points too."""
        told = [each._replace(usage_point=self._point(each.usage_point, each.since_s)) for each in decoded.told]
        there = {name for part in decoded.series for name in part.points}
        return replace(
            decoded,
            zones={name: zone for name, zone in decoded.zones.items() if name in there},
            events=tuple(map(self._of_place, decoded.events)),
            reports=tuple(each._replace(event=self._of_place(each.event)) for each in decoded.reports),
            told=tuple(each for each in told if each.usage_point),
        )

    def _own_notes(self, named: Collection[str]) -> Iterator[str]:
        for name in sorted(named):
            yield twin_note(name, self.own[name])

    def _of_place(self, event: EndDeviceEvent) -> EndDeviceEvent:
        """Return an event where its device hung then, if that is all that is named."""
        return replace(event, usage_point=self._point(event.usage_point or event.end_device, epoch_s(event.at)))

    def _point(self, name: str, at_s: int) -> str:
        """Return the usage point of a name at an instant; the empty one where its meter hung nowhere."""
        if name not in self.places:
            return name
        return next((point for point, start, end in self.places[name] if start <= at_s < end), "")

    def _at_places(self, part: Readings, entries: Collection[int]) -> tuple[Readings, Readings]:
        """Return the readings where the meters of some entries of `points` hung, and those that belong nowhere."""
        register = part.reading_type.accumulation is Accumulation.CUMULATIVE
        pairs: dict[Pair, int] = {}
        code = np.empty(len(part.points), np.int32)
        devices = part.devices or ("",) * len(part.points)
        hung: dict[int, list[tuple[int, int, int]]] = {}
        meters = set(entries)
        for entry, (name, device) in enumerate(zip(part.points, devices, strict=True)):
            if entry not in meters:
                code[entry] = pairs.setdefault((name, device if register else ""), len(pairs))
                continue
            code[entry] = NOWHERE
            hung[entry] = [
                (start, end, pairs.setdefault((point, name if register else ""), len(pairs)))
                for point, start, end in self.places[name]
            ]
        place = code[part.point]
        _hang(place, part, hung, register=register)
        there = place != NOWHERE
        moved = replace(
            part,
            points=tuple(point for point, _ in pairs),
            point=place,
            devices=tuple(device for _, device in pairs) if register else (),
        )
        if there.all():
            return of_use(moved), take(part, ~there)
        return of_use(take(moved, there)), of_use(take(part, ~there))


NOTHING_HUNG = HungMeters()


def _names_one(part: Readings, entry: int, name: str) -> bool:
    """Tell whether an entry of `points` is named by one name alone, which may be a meter's."""
    return not part.devices or part.devices[entry] in ("", name)


def _hang(
    place: npt.NDArray[np.int32], part: Readings, hung: Mapping[int, list[tuple[int, int, int]]], *, register: bool
) -> None:
    """Write the place of each reading of a meter, installation by installation: most have one.

    The last read of a register is of the instant at which its meter goes, unless that hangs elsewhere from then on.
    """
    most = max(map(len, hung.values()))
    for number in range(most):
        table = np.zeros((3, len(part.points)), np.int64)
        for entry, installed in hung.items():
            if number < len(installed):
                table[:, entry] = installed[number]
        start, end, target = (column[part.point] for column in table)
        inside = (part.at >= start) & (part.at < end)
        inside |= register & (part.at == end) & (place == NOWHERE) & (end > 0)
        place[inside] = target[inside]


def hung_meters(installed: Iterable[Installation], points: Collection[str]) -> HungMeters:
    """Return where meters hung; a usage point is meant by its name, whatever meter has the same."""
    places: dict[str, list[Hung]] = defaultdict(list)
    for one in installed:
        places[one.end_device].append((one.usage_point, epoch_s(one.period.start), epoch_s(one.period.end)))
    own = twins_in(((name, hung[0]) for name, each in places.items() for hung in each), points)
    return HungMeters({name: tuple(hung) for name, hung in places.items() if name not in points}, own)
