"""What the codes of EndDeviceEvents mean here, by the table of this package."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.resources import files

from gridwright.domain.event import MARKING

CODE = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
LONGEST_CODE = 64
METER, NOT_TOLD = "3", "0"
DURATION = re.compile(
    r"P(?=.)(?:(?P<days>\d{1,6})D)?(?:T(?=.)(?:(?P<hours>\d{1,8})H)?(?:(?P<minutes>\d{1,9})M)?"
    r"(?:(?P<seconds>\d{1,10}(?:\.\d+)?)S)?)?"
)
SECONDS = re.compile(r"-?\d{1,10}(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class EventTypes:
    """Types by code without its kind of device; names of details that tell how long an event lasted, or until when."""

    kinds: frozenset[str]
    types: Mapping[str, str]
    durations: frozenset[str]
    ends: frozenset[str]

    def type_of(self, code: str) -> str:
        """Return the type that a code means; the code itself where the table has none."""
        kind, _, rest = code.partition(".")
        if kind in self.kinds and rest in self.types:
            return self.types[rest]
        meters = f"{METER}.{rest}"
        return meters if kind == NOT_TOLD and meters in MARKING else code


@cache
def event_types() -> EventTypes:
    """Read the table."""
    text = files("gridwright.formats.cim_xml").joinpath("end_device_events.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    return EventTypes(
        frozenset(table["device_kinds"]),
        {code: each["type"] for code, each in table["codes"].items()},
        frozenset(table["lasting"]["duration"]),
        frozenset(table["lasting"]["end"]),
    )


def duration_of(text: str) -> timedelta | None:
    """Return how long a text says, in seconds or as an ISO 8601 duration; None where it says nothing of that."""
    if SECONDS.fullmatch(text):
        return timedelta(seconds=float(text))
    found = DURATION.fullmatch(text.upper())
    parts = {name: float(value) for name, value in (found.groupdict() if found else {}).items() if value}
    return timedelta(**parts) if parts else None
