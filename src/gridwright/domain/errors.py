"""Every error Gridwright raises on purpose, drawn as one tree.

GridwrightError
├── InputError              a file, request or telegram says something we cannot take
│   ├── UnknownFormat       no reader recognises it
│   ├── UnreadableFile      truncated, binary, wrong encoding, corrupt
│   ├── BadRecord           one record is wrong; its neighbours are kept
│   └── AmbiguousInput      two readings of it are possible: the caller must choose
├── ConfigError             a setting is unknown or has an impossible value
├── UsageError              the call itself is wrong (CLI exit code 2)
├── NotFound                the named usage point, meter, bill ... does not exist
├── Conflict                it contradicts what is already known
│   └── GridMismatch        panels of different interval, reading type or phase meet
│       └── Forgotten       readings of days that retention has forgotten come once more
├── AccessDenied            the caller's role does not allow it
│   └── NotAuthenticated    nobody knows who asks: no key, a wrong, revoked or expired one
├── StoreError              the database cannot do it
│   ├── StoreLocked         another process holds the write lock
│   ├── StoreFull           the disk is full
│   ├── StoreCorrupt        the file is not a (healthy) Gridwright database
│   │   └── ArchiveUnreadable   the file of an archived month is gone, damaged or out of reach
│   ├── StoreMoved          its file was moved or replaced while it was open
│   └── StoreOutdated       its schema is older or newer than this program
├── TooLittleData           not enough history or coverage for what was asked
├── RateError               a rate card is wrong or cannot price this
│   └── RateRefused         it could only be priced by guessing
├── PlanError               the optimiser found no plan, with the reason
├── ControlRefused          a control may not be carried out
├── DeviceError             a device did not do what was asked of it
│   ├── DeviceSilent        it does not answer
│   ├── DeviceNonsense      what it answers breaks its protocol, or cannot be true
│   └── DeviceRefused       it says no
└── MissingExtra            an optional dependency is not installed
"""

from __future__ import annotations


class GridwrightError(Exception):
    """An expected failure that says what is wrong, where, and what to do.

    `where` names the place ("meter.csv line 7, column kWh"), `remedy` the next step; both may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.remedy})" if self.remedy else ""
        return f"{place}{self.message}{advice}"

    def to_dict(self) -> dict[str, str]:
        """Return the error as the JSON object that `--json` and the API print."""
        return {"error": type(self).__name__, "message": self.message, "where": self.where, "remedy": self.remedy}


class InputError(GridwrightError):
    """Something that arrived cannot be taken as it is."""


class UnknownFormat(InputError):
    """No reader recognises the content."""


class UnreadableFile(InputError):
    """The content is truncated, binary, wrongly encoded or corrupt."""


class BadRecord(InputError):
    """One record is wrong while its neighbours are kept."""


class AmbiguousInput(InputError):
    """Two interpretations are possible, and guessing could cost money."""


class ConfigError(GridwrightError):
    """A setting is unknown or has an impossible value."""

    exit_code = 2


class UsageError(GridwrightError):
    """The call itself is wrong."""

    exit_code = 2


class NotFound(GridwrightError):
    """The named thing does not exist."""


class Conflict(GridwrightError):
    """It contradicts what is already known."""


class GridMismatch(Conflict):
    """Panels of different interval, reading type or phase cannot be joined."""


class Forgotten(GridMismatch):
    """Readings belong to days that retention has forgotten: these fit nothing that is stored any more.

    `first_s`: from then on readings are kept, in epoch seconds.
    """

    first_s: int = 0


class AccessDenied(GridwrightError):
    """The caller's role does not allow the act."""


class NotAuthenticated(AccessDenied):
    """Nobody knows who asks: there is no key, or a wrong, revoked or expired one."""


class StoreError(GridwrightError):
    """The database cannot do what was asked."""


class StoreLocked(StoreError):
    """Another process holds the write lock."""


class StoreFull(StoreError):
    """There is no room left on the disk."""


class StoreCorrupt(StoreError):
    """The file is not a healthy Gridwright database."""


class ArchiveUnreadable(StoreCorrupt):
    """The file of an archived month is gone, damaged or out of reach; all other months are as they were.

    `month`: its number (`domain/month.py`), where it is known.
    """

    month: int | None = None


class StoreMoved(StoreError):
    """The database file was moved or replaced while it was open."""


class StoreOutdated(StoreError):
    """The schema is older or newer than this program."""


class TooLittleData(GridwrightError):
    """There is not enough history or coverage for what was asked."""


class RateError(GridwrightError):
    """A rate card is wrong, or cannot price this usage."""


class RateRefused(RateError):
    """Pricing it would need a guess, so it is refused."""


class PlanError(GridwrightError):
    """The optimiser found no plan; the message names the reason."""


class ControlRefused(GridwrightError):
    """A control may not be carried out."""


class DeviceError(GridwrightError):
    """A device did not do what was asked of it."""


class DeviceSilent(DeviceError):
    """The device does not answer."""


class DeviceNonsense(DeviceError):
    """The device's answer breaks its protocol, or cannot be true."""


class DeviceRefused(DeviceError):
    """The device says no."""


class MissingExtra(GridwrightError):
    """An optional dependency is needed; the remedy names the install command."""

    exit_code = 2
