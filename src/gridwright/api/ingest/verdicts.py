"""What became of each record of a request: exact counts, and the first thousand that were not taken as sent by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

LISTED = 1_000
LONGEST_VALUE = 120


class Status(StrEnum):
    """What became of a record that was not accepted, or not as it was sent."""

    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    ROUNDED = "rounded"
    DOUBTED = "doubted"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a record: the field, why, and what helps."""

    field: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one record; `index` counts from 0, `line` from 1 as the source is read by a person."""

    index: int
    line: int
    status: Status
    fault: Fault
    value: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the answer."""
        told = {"index": self.index, "line": self.line, "status": self.status, "field": self.fault.field}
        return told | {"value": self.value, "reason": self.fault.reason, "remedy": self.fault.remedy}


@dataclass(slots=True)
class Verdicts:
    """The verdict on a request, collected while it is worked on.

    `accepted` counts readings; a record that holds several and is refused as a whole counts once. `rounded` ones are
    accepted, and told because what is stored is not to the last digit what was sent. `repeated` ones say again what the
    same request said: they are accepted too, and counted, as are those `set_aside`: guesses of an interval of which a
    value of better quality is stored, which stays. `doubted` ones are register reads that are kept, and count nothing.
    """

    accepted: int = 0
    rejected: int = 0
    quarantined: int = 0
    rounded: int = 0
    repeated: int = 0
    set_aside: int = 0
    doubted: int = 0
    listed: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def reject(self, where: tuple[int, int], fault: Fault, value: object = "") -> None:
        """Refuse one record, `where` = (index, line)."""
        self.rejected += 1
        self._list(where, Status.REJECTED, fault, value)

    def quarantine(self, where: tuple[int, int], fault: Fault, value: object = "") -> None:
        """Tell that one record waits until somebody claims its meter."""
        self.quarantined += 1
        self._list(where, Status.QUARANTINED, fault, value)

    def round(self, where: tuple[int, int], fault: Fault, value: object = "") -> None:
        """Tell that one value was rounded to the resolution of its series."""
        self.rounded += 1
        self._list(where, Status.ROUNDED, fault, value)

    def doubt(self, where: tuple[int, int], fault: Fault, value: object = "") -> None:
        """Tell that one record was kept, and counts nothing as it is."""
        self.doubted += 1
        self._list(where, Status.DOUBTED, fault, value)

    @property
    def room(self) -> int:
        """How many more are listed by name."""
        return max(0, LISTED - len(self.listed))

    def _list(self, where: tuple[int, int], status: Status, fault: Fault, value: object) -> None:
        if len(self.listed) < LISTED:
            if len(fault.field) > LONGEST_VALUE:  # named by the sender
                fault = replace(fault, field=shown(fault.field))
            self.listed.append(Verdict(*where, status, fault, shown(value)))

    def several(
        self,
        status: Status,
        places: Sequence[tuple[int, int]],
        fault: Fault,
        values: Sequence[object],
        *,
        unlisted: int = 0,
    ) -> None:
        """Give one verdict to many records, and to so many `unlisted` ones; beyond the room they are only counted."""
        room = LISTED - len(self.listed)
        for where, value in list(zip(places, values, strict=True))[:room]:
            self._list(where, status, fault, value)
        setattr(self, status.value, getattr(self, status.value) + len(places) + unlisted)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of the answer, in order of the records."""
        told: dict[str, Any] = {
            "accepted": self.accepted,
            "rejected": self.rejected,
            "quarantined": self.quarantined,
            "verdicts": [one.to_dict() for one in sorted(self.listed, key=lambda one: one.index)],
        }
        told |= {"rounded": self.rounded} if self.rounded else {}
        told |= {"repeated": self.repeated} if self.repeated else {}
        told |= {"set_aside": self.set_aside} if self.set_aside else {}
        told |= {"doubted": self.doubted} if self.doubted else {}
        omitted = self.rejected + self.quarantined + self.rounded + self.doubted - len(self.listed)
        told |= {"verdicts_omitted": omitted} if omitted > 0 else {}
        return told | ({"notes": self.notes} if self.notes else {})


def shown(value: object) -> str:
    """Return a value as an answer may repeat it: short, and without halves of characters, which no answer can hold."""
    text = value if isinstance(value, str) else "" if value is None else f"{value}"
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
