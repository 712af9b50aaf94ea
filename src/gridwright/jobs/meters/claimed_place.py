"""Where the readings of a waiting name belong: to a meter that hangs, or is hung, there, or to the place itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from gridwright.domain.access import Access
from gridwright.domain.errors import Conflict, InputError, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation, exchange, install, installed_at
from gridwright.store import Store

LONGEST_CHANNEL = 40
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class MeterClaim:
    """Where a meter hangs, since when (None: since its first reading), and its transformer factor.

    `channel`: its readings move into this channel of their type, whatever they named; empty: as they came.
    """

    meter: str
    usage_point: str
    since: datetime | None = None
    multiplier: Decimal = Decimal(1)
    channel: str = ""

    def __post_init__(self) -> None:
        if len(self.channel) > LONGEST_CHANNEL or not self.channel.isprintable():
            shown = self.channel[:LONGEST_CHANNEL]
            raise InputError(
                f"the channel {shown!r} must have at most {LONGEST_CHANNEL} printable characters",
                remedy="choose a short name, such as E1",
            )


@dataclass(frozen=True, slots=True)
class ClaimedPlace:
    """The installation that readings move into; `new` where it begins with the claim, and what it `ends` then.

    `own`: they were sent under the id of the usage point before it was registered, and no meter is installed for them.
    `history`: with the one that begins.
    """

    place: Installation
    new: bool = False
    own: bool = False
    ends: str = ""
    history: tuple[Installation, ...] = ()

    @property
    def within(self) -> Interval:
        """Of when the readings are that may move in: the last read of a register is of the instant at which it ends."""
        period = self.place.period
        return period if self.place.is_open else Interval(period.start, period.end + INSTANT)


def place_of(store: Store, access: Access, claim: MeterClaim, first: datetime) -> ClaimedPlace:
    """Return where a claim puts its readings, of which the oldest is from `first`; nothing is recorded.

    What cannot be is refused: the claim and the look at it before ask here.
    """
    since = claim.since or first
    if _is_point(store, access, claim):
        return ClaimedPlace(install(claim.usage_point, "", since), own=True)
    history = store.registry.installations(access, claim.usage_point)
    open_now = next((each for each in history if each.is_open), None)
    mine = _hung(store, access, claim.meter)
    before = claim.since is not None and _later(mine, since)
    if open_now is not None and open_now.end_device == claim.meter and not before:
        return ClaimedPlace(open_now)
    ended = next((each for each in history if each.end_device == claim.meter and _holds(each, since)), None)
    if ended is not None:
        return ClaimedPlace(ended)
    new = _begun(claim, since, mine)
    _require_free(mine, new)
    try:
        after = exchange(history, new)
    except Conflict as error:
        raise Conflict(error.message, where=error.where, remedy=_when_free(history, claim)) from error
    goes = open_now is not None and open_now.end_device != claim.meter and open_now.period.overlaps(new.period)
    return ClaimedPlace(new, new=True, ends=open_now.end_device if open_now and goes else "", history=after)


def _later(mine: Iterable[Installation], since: datetime) -> list[Installation]:
    """Return the installations of a meter that begin after an instant, the first one first, where none holds it."""
    if any(each.period.start <= since < each.period.end for each in mine):
        return []
    return sorted((each for each in mine if each.period.start > since), key=lambda each: each.period.start)


def _begun(claim: MeterClaim, since: datetime, mine: Iterable[Installation]) -> Installation:
    """Return the installation that begins with a claim: where the meter hangs later, until it came there.

    Where that is the same place, and with the same factor, it is that installation with an earlier beginning.
    """
    new = install(claim.usage_point, claim.meter, since, claim.multiplier)
    for later in _later(mine, since)[:1]:
        earlier = replace(later, period=Interval(since, later.period.end))
        if later.usage_point == claim.usage_point and claim.multiplier in {later.multiplier, 1}:
            return earlier
        return replace(new, period=Interval(since, later.period.start))
    return new


def _holds(ended: Installation, since: datetime) -> bool:
    return ended.period.start <= since <= ended.period.end


def _when_free(history: Iterable[Installation], claim: MeterClaim) -> str:
    """Return what helps where other meters hung at the time of the claim, however they came there."""
    last = max(history, key=lambda each: each.period.start)
    return (
        f"if {claim.meter} came after {last.end_device}, claim it since that instant, which is after "
        f"{last.period.start.isoformat()}; if {last.end_device} never hung there, cancel its installation first"
    )


def _is_point(store: Store, access: Access, claim: MeterClaim) -> bool:
    """Tell whether the waiting name is by now a usage point, and no meter."""
    try:
        store.registry.meter(access, claim.meter)
    except NotFound:
        pass
    else:
        return False
    try:
        store.registry.point(access, claim.meter)
    except NotFound:
        return False
    if claim.meter != claim.usage_point:
        raise Conflict(
            f"{claim.meter} is a usage point by now, so what waits under that name is not of {claim.usage_point}",
            remedy=f"claim it for {claim.meter}; what is not its own, let go with gridwright quarantine drop",
        )
    if claim.multiplier != 1:
        raise InputError(
            f"the transformer factor {claim.multiplier} cannot be: what was sent under the id of a usage point counts "
            "as it came",
            remedy="leave the factor out; it is a meter's, and given with its exchange",
        )
    return True


def of_hanging(store: Store, access: Access, reads: Iterable[RegisterReading]) -> list[RegisterReading]:
    """Return register reads of a usage point as those of the meter that hung there then, as far as one is known."""
    found = []
    for read in reads:
        here = installed_at(store.registry.installations(access, read.usage_point), read.usage_point, read.at)
        found.append(replace(read, end_device=here.end_device if here else "", presumed=True))
    return found


def require_free(store: Store, access: Access, new: Installation) -> None:
    """Refuse a meter that hangs at another usage point during the new installation."""
    _require_free(_hung(store, access, new.end_device), new)


def _hung(store: Store, access: Access, meter: str) -> list[Installation]:
    return [each for each in store.registry.installed(access) if each.end_device == meter]


def _require_free(mine: Iterable[Installation], new: Installation) -> None:
    for other in mine:
        if other.usage_point != new.usage_point and other.period.overlaps(new.period):
            raise Conflict(
                f"meter {new.end_device} hangs at {other.usage_point} at that time",
                remedy=f"exchange it at {other.usage_point} first, with the instant at which it went; if it never hung "
                "there, cancel that installation first",
            )
