"""Where energy is used and what is installed there: usage points, meters and the dated installation that joins them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from gridwright.domain.errors import Conflict, InputError, NotFound
from gridwright.domain.interval import Interval, from_epoch_s, zone_of

FOREVER = from_epoch_s(253_402_300_799)  # 9999-12-31T23:59:59Z
MAX_ID = 120
SHOWN = 40  # of an id that is too long
FOLDERS = (".", "..")
# Classes that come with rules and defaults; an operator may have more.
CLASSES = ("residential", "commercial", "industrial")
# Attributes on which rules of validation rest: who changes one has the last readings judged again. So has who changes
# one by which a group of the rules in force is chosen.
JUDGED_BY = frozenset(
    {
        "generation",
        "latitude",
        "longitude",
        "vacant",
        "checked_by",
        "interval_min",
        "battery_kwh",
        "tou_registers",
        "channels",
        "units",
        "base_load_kw",
        "nominal_v",
        "recorder_bits",
        "pulse_wh",
    }
)


@dataclass(frozen=True, slots=True)
class UsagePoint:
    """The point in the network to which readings are attributed, meter or no meter (CIM UsagePoint)."""

    id: str
    zone: str = "UTC"
    customer_class: str = "residential"
    capacity_kw: float | None = None
    holidays: str = ""
    exports: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.id or len(self.id) > MAX_ID:
            shown = self.id if len(self.id) <= MAX_ID else f"{self.id[:SHOWN]}…"
            raise InputError(
                f"usage point id {shown!r} must have 1 to {MAX_ID} characters", remedy="give it an id of its own"
            )
        zone_of(self.zone)
        if self.capacity_kw is not None and not self.capacity_kw > 0:
            raise InputError(f"usage point {self.id}: capacity {self.capacity_kw} kW must be positive")

    @property
    def tz(self) -> ZoneInfo:
        """Time zone of its civil days."""
        return zone_of(self.zone)


def id_fault(text: str) -> str:
    """Return why a text can be no id of a usage point or meter, to be said after it; empty for one that can."""
    if text.isalnum() and len(text) <= MAX_ID:
        return ""  # letters and digits can be printed, and most ids have nothing else
    if not text.strip():
        return "names no usage point"
    if len(text) > MAX_ID:
        return f"is too long to name a usage point: {len(text):,} characters, and {MAX_ID} are the most"
    if "\ufffd" in text:
        return "names no usage point: it holds bytes that are no text in the encoding of the file"
    if not text.isprintable():
        return "names no usage point: it holds characters that cannot be printed"
    return "names no usage point: it means a folder in every address" if text in FOLDERS else ""


def check_addressable(name: str) -> None:
    """Refuse a name that no address can hold: browsers and programs take `.` and `..` out of a path."""
    if name in FOLDERS:
        raise InputError(f"{name!r} means a folder in every address", remedy="give another id")


@dataclass(frozen=True, slots=True)
class EndDevice:
    """A thing installed at a usage point (CIM EndDevice)."""

    serial: str
    brand: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Meter(EndDevice):
    """An end device that measures: its registers wrap after `dials` digits, one count is `lsb_wh` watt-hours.

    `dials`: None where nobody has told them.
    """

    dials: int | None = None
    lsb_wh: int = 1

    @property
    def range_wh(self) -> float:
        """What its registers count before they wrap; infinite where nobody has told its dials."""
        return math.inf if self.dials is None else 10.0**self.dials * self.lsb_wh


@dataclass(frozen=True, slots=True)
class Installation:
    """`end_device` measured `usage_point` during `period`; a meter exchange ends one and begins the next.

    `multiplier`: current/voltage transformer factor applied to register differences.
    """

    usage_point: str
    end_device: str
    period: Interval
    multiplier: Decimal = Decimal(1)

    @property
    def is_open(self) -> bool:
        """Tell whether the device is still installed."""
        return self.period.end >= FOREVER


UsualKw = Callable[[Sequence["UsagePoint"]], Sequence[float]]  # what connections carry of which nobody told it


def install(usage_point: str, end_device: str, since: datetime, multiplier: Decimal = Decimal(1)) -> Installation:
    """Return an installation that is still open."""
    return Installation(usage_point, end_device, Interval(since, FOREVER), multiplier)


def exchange(history: Iterable[Installation], new: Installation) -> tuple[Installation, ...]:
    """Close the open installation of the same usage point at the start of `new` and append `new`.

    Readings stay on the usage point, so history is kept. Overlapping installations are a Conflict, but for the one that
    `new` is with an earlier beginning.
    """
    kept: list[Installation] = []
    for old in history:
        if (
            replace(new, period=Interval(old.period.start, new.period.end)) == old
            and new.period.start <= old.period.start
        ):
            continue
        if old.usage_point == new.usage_point and old.period.overlaps(new.period):
            if not old.is_open or old.period.start >= new.period.start:
                raise Conflict(
                    f"meter {new.end_device} at {new.usage_point} from {new.period.start.isoformat()} overlaps "
                    f"meter {old.end_device}",
                    remedy="cancel the exchange that brought that meter first, then make this one",
                )
            closed = Interval(old.period.start, new.period.start)
            kept.append(Installation(old.usage_point, old.end_device, closed, old.multiplier))
        else:
            kept.append(old)
    return (*kept, new)


def cancel_exchange(
    history: Iterable[Installation], at: datetime
) -> tuple[tuple[Installation, ...], Installation, Installation | None]:
    """Return what hung there without the exchange at `at`, the installation that never was, and the one that goes on.

    Only the newest one can go: what came after stands on it. Where there was none at that instant, it is NotFound.
    """
    ordered = sorted(history, key=lambda each: each.period.start)
    gone = next((each for each in ordered if each.period.start == at), None)
    if gone is None:
        begun = ", ".join(f"{each.end_device} at {each.period.start.isoformat()}" for each in ordered) or "none"
        raise NotFound(f"no meter began at {at.isoformat()}", remedy=f"give one of these instants: {begun}")
    if gone is not ordered[-1]:
        later = ordered[ordered.index(gone) + 1]
        raise Conflict(
            f"{_what_came(gone, later)} at {later.period.start.isoformat()}, after the exchange at {at.isoformat()}",
            remedy="cancel that later exchange first",
        )
    kept = ordered[:-1]
    if not kept or kept[-1].period.end != at:
        return tuple(kept), gone, None
    old = kept[-1]
    open_again = Installation(old.usage_point, old.end_device, Interval(old.period.start, FOREVER), old.multiplier)
    return (*kept[:-1], open_again), gone, open_again


def _what_came(before: Installation, new: Installation) -> str:
    if before.end_device == new.end_device and before.period.end == new.period.start:
        return f"the factor of meter {new.end_device} went from {before.multiplier} to {new.multiplier}"
    return f"meter {new.end_device} came"


def installed_at(history: Iterable[Installation], usage_point: str, moment: datetime) -> Installation | None:
    """Return the installation in force at `moment`, if any."""
    return next((i for i in history if i.usage_point == usage_point and moment in i.period), None)
