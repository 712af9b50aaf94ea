"""How families of virtual meters speak: addresses, formats and codes, written down apart from the drivers' profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from gridwright.domain.reading_type import Flow


class Flag(StrEnum):
    """What happened in an interval, as the status word tells it."""

    POWER_FAILED = "power-failed"
    POWER_RETURNED = "power-returned"
    CLOCK_SET = "clock-set"
    SEASON_CHANGED = "season-changed"
    DISTURBED = "disturbed"


class LogKind(StrEnum):
    """What a meter writes into its log."""

    POWER_DOWN = "power-down"
    POWER_UP = "power-up"
    CLOCK_SET = "clock-set"
    COVER_OPENED = "cover-opened"
    COVER_CLOSED = "cover-closed"
    MAGNET = "magnet"
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - an event, not a secret
    ARMED = "armed"
    REMOTE_DISCONNECTION = "remote-disconnection"
    REMOTE_CONNECTION = "remote-connection"
    MANUAL_CONNECTION = "manual-connection"


@dataclass(frozen=True, slots=True)
class Figure:
    """How an energy is written: its flow, unit (kWh, or kW for the mean power of an interval), digits and decimals."""

    flow: Flow
    unit: str = "kWh"
    digits: int = 6
    decimals: int = 3

    def text(self, wh: int, interval_s: int = 3600) -> str:
        """Write `wh`; what the decimals cannot hold is cut off, and the counter wraps, as meters do."""
        base = wh * 3600 // interval_s if self.unit == "kW" else wh
        count = base * 10**self.decimals // 1000 % 10 ** (self.digits + self.decimals)
        whole, part = divmod(count, 10**self.decimals)
        return f"{whole:0{self.digits}d}" + (f".{part:0{self.decimals}d}" if self.decimals else "")


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of meter. `clock`: address of each part of the time and its form, in the order they are read.

    `log_by_status`: the log tells status bits instead of a code. `relay_words`: for open, close, armed; a meter without
    relay has no `relay_address`. `programming`: whether it takes commands at all. `stamp_at_end`: a profile's stamp is
    the end of its first interval.
    """

    name: str
    manufacturer: str
    model: str
    clock: Mapping[str, str]
    registers: Mapping[str, Figure]
    channels: Mapping[str, Figure]
    flags: Mapping[Flag, int]
    log_codes: Mapping[LogKind, int]
    firmware: str = "1.04"
    serial_address: str = "C.1.0"
    firmware_address: str = "0.2.0"
    voltage_address: str = "32.7.0"
    profile_address: str = "P.01"
    log_address: str = "P.98"
    profile_stamp: str = "sYYMMDDhhmm"
    log_stamp: str = "sYYMMDDhhmmss"
    stamp_at_end: bool = True
    status_digits: int = 8
    log_by_status: bool = False
    open_reads: bool = False
    relay_address: str = ""
    relay_words: tuple[str, str, str] = ("0", "1", "2")
    block_rows: int = 64
    log_code_address: str = "96.11.0"
    programming: bool = True


# Codes: standard event log of DLMS companion specifications (power 1/2, clock 4, covers 42-45, disconnector 59-64).
GENERIC_RELAY = Family(
    name="generic-relay",
    manufacturer="GWR",
    model="GW1R",
    clock={"1.0.0": "YYMMDDhhmmssX"},
    registers={"1.8.0": Figure(Flow.DELIVERED), "2.8.0": Figure(Flow.RECEIVED)},
    channels={"1.29.0": Figure(Flow.DELIVERED, digits=3), "2.29.0": Figure(Flow.RECEIVED, digits=3)},
    flags={
        Flag.POWER_FAILED: 0x80,
        Flag.POWER_RETURNED: 0x40,
        Flag.CLOCK_SET: 0x20,
        Flag.SEASON_CHANGED: 0x08,
        Flag.DISTURBED: 0x04,
    },
    log_codes={
        LogKind.POWER_DOWN: 1,
        LogKind.POWER_UP: 2,
        LogKind.CLOCK_SET: 4,
        LogKind.COVER_OPENED: 44,
        LogKind.COVER_CLOSED: 45,
        LogKind.MAGNET: 42,
        LogKind.WRONG_PASSWORD: 46,
        LogKind.ARMED: 59,
        LogKind.MANUAL_CONNECTION: 61,
        LogKind.REMOTE_DISCONNECTION: 62,
        LogKind.REMOTE_CONNECTION: 63,
    },
    profile_stamp="sYYMMDDhhmmss",
    stamp_at_end=False,
    relay_address="96.3.10",
)

# Status word: VDEW Lastenheft 2.1 as the LEM EM4TII+ manual tells it (table 4.5); mean power as in its P.01.
VDEW_LOAD_PROFILE = Family(
    name="vdew-load-profile",
    manufacturer="VDW",
    model="LZQ4",
    clock={"0.9.2": "sYYMMDD", "0.9.1": "shhmmss"},
    registers={"1.8.0": Figure(Flow.DELIVERED, decimals=2), "2.8.0": Figure(Flow.RECEIVED, decimals=2)},
    channels={
        "1.5.0": Figure(Flow.DELIVERED, unit="kW", digits=2),
        "2.5.0": Figure(Flow.RECEIVED, unit="kW", digits=2),
    },
    flags=GENERIC_RELAY.flags,
    log_codes={
        LogKind.POWER_DOWN: 0x80,
        LogKind.POWER_UP: 0x40,
        LogKind.CLOCK_SET: 0x20,
        LogKind.COVER_OPENED: 0x40000,
        LogKind.MAGNET: 0x80000,
    },
    serial_address="0.0.0",
    log_by_status=True,
    open_reads=True,
)

READOUT_ONLY = replace(
    GENERIC_RELAY,
    name="readout-only",
    model="GW1S",
    clock={"0.9.2": "YYMMDD", "0.9.1": "hhmmss"},
    programming=False,
    relay_address="",
)
