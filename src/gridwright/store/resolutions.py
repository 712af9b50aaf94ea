"""Series that came in several resolutions are brought into the finest, with all that was made of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from gridwright.domain.access import Access, Act
from gridwright.domain.image import Image
from gridwright.domain.reading_type import ReadingType
from gridwright.store.archive.reading import days_away
from gridwright.store.audit import note
from gridwright.store.days.blocks import lock_points
from gridwright.store.days.bringing import bring_whole
from gridwright.store.days.kept_series import Kept, stored_series
from gridwright.store.days.recounting import Change
from gridwright.store.instant import to_us
from gridwright.store.names import Names, every_image
from gridwright.store.session import Session, Unit

TOGETHER = 50  # usage points of a transaction: whoever writes for them waits for it
Family = Mapping[int, tuple[int, ReadingType]]  # key and type by exponent
Stored = Mapping[int, Sequence[Kept]]


class Resolutions:
    """In which resolution series are kept."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session, self._names = session, names
        self._left: dict[tuple[int, int], tuple[Kept, ...]] = {}  # by reading type and usage point

    def differ(self, access: Access) -> bool:
        """Tell whether any series may be kept in several resolutions: mostly none is."""
        access.require(Act.READ)
        return bool(self._families())

    def settle(self, access: Access, points: Sequence[str], *, known_at: datetime) -> int:
        """Bring each series of some usage points that is kept in several resolutions to the finest of them.

        Its earlier images, final images, day totals, findings and dirty ranges go with it: no value becomes another,
        and what was known at an instant stays so. Days in the archive stay as they are. Returns how many series were;
        some usage points are a transaction each. `known_at`: since when one value alone counts of an interval that two
        were stored of, one in each resolution.
        """
        access.require(Act.WRITE_READINGS)
        for point in points if access.points is not None else ():
            access.require(Act.WRITE_READINGS, point)
        families = self._families()
        parts = [points[at : at + TOGETHER] for at in range(0, len(points), TOGETHER)]
        return sum(self._settle(access, family, part, to_us(known_at)) for family in families for part in parts)

    def _families(self) -> list[dict[int, tuple[int, ReadingType]]]:
        """Return the raw types that differ in nothing but their exponent, by that; mostly there are none."""
        found: dict[ReadingType, dict[int, tuple[int, ReadingType]]] = defaultdict(dict)
        with self._session.reading(settled=False) as unit:
            for key, (kind, image) in every_image(unit).items():
                if image is Image.RAW:
                    found[kind.finer(0)][kind.exponent] = key, kind
        return [family for family in found.values() if len(family) > 1]

    def _settle(self, access: Access, family: Family, points: Sequence[str], known_at_us: int) -> int:
        numbers = {each: key for each, (key, _) in family.items()}
        with self._session.reading() as unit:
            there = stored_series(unit, numbers, self._names.point_keys(unit, points))
            if not any(self._changes(unit, family, key, some) for key, some in there.items()):
                return 0
        with self._session.writing() as unit:
            keys = self._names.point_keys(unit, points)
            lock_points(unit, keys)
            there, changes = stored_series(unit, numbers, keys), defaultdict[Change, list[int]](list)
            for key, some in there.items():
                for change in self._changes(unit, family, key, some):
                    changes[change].append(key)
            return sum(
                self._brought(unit, access, change, (mine, there), known_at_us) for change, mine in changes.items()
            )

    def _brought(
        self, unit: Unit, access: Access, change: Change, which: tuple[list[int], Stored], known_at_us: int
    ) -> int:
        """Bring the series of some usage points to another resolution; returns how many of them there are."""
        keys, there = which
        if not self._bring(unit, change, keys, there, known_at_us):
            # What is left of them counts no more, or cannot be brought: it need not be looked through again.
            self._left |= {(change.source, key): _looks(there[key]) for key in keys}
            return 0
        codes = self._names.find_codes(unit, keys)
        subject = codes[keys[0]] if len(keys) == 1 else f"{len(keys)} usage points"
        told = {"reading_type": change.coarse.code, "counted_as": change.fine.code}
        note(unit, access, Act.WRITE_READINGS, subject=subject, at=self._session.clock(), **told)
        return len(keys)

    def _changes(self, unit: Unit, family: Family, key: int, there: Sequence[Kept]) -> list[Change]:
        """Return what is to be done with the series of a usage point; what is in the archive alone stays."""
        finest = min(one.exponent for one in there)
        coarse = {
            one.exponent
            for one in there
            if one.exponent > finest
            and self._left.get((family[one.exponent][0], key)) != _looks(there)
            and len(days_away(unit, family[one.exponent][0], range(one.first, one.last))) < one.last - one.first
        }
        target, fine = family[finest]
        return [Change(family[each][0], target, family[each][1], fine) for each in sorted(coarse)]

    def _bring(self, unit: Unit, change: Change, keys: Sequence[int], there: Stored, known_at_us: int) -> int:
        first = min(one.first for key in keys for one in there[key])
        last = max(one.last for key in keys for one in there[key])
        return bring_whole(unit, self._names, change, (keys, range(first, last)), known_at_us)


def _looks(there: Sequence[Kept]) -> tuple[Kept, ...]:
    return tuple(sorted(there))
