"""From TOML to a DriverProfile; packaged profiles by name, anybody's own by path."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path

from gridwright.domain.control import Command
from gridwright.domain.device import RelayState
from gridwright.domain.errors import ConfigError, InputError, NotFound
from gridwright.domain.interval import zone_of
from gridwright.domain.quality import Status
from gridwright.domain.reading_type import Accumulation, Quantity, ReadingType, from_code
from gridwright.drivers.profile import (
    ClockPart,
    ClockSpec,
    DriverProfile,
    Dst,
    EventSpec,
    LogSpec,
    Measures,
    ProfileSpec,
    RelaySpec,
    StatusBit,
    ToldBy,
    ValueSpec,
)
from gridwright.drivers.toml_table import TomlTable

ADDRESS = r"[0-9A-Za-z][0-9A-Za-z.:*&-]*"
ADDRESS_SHOWN = "an address such as 1.8.0 or P.01"
EVENT = r"\d{1,3}(\.\d{1,3}){3}"
EVENT_SHOWN = "a CIM EndDeviceEventType such as 3.26.0.47"
FORM = re.compile(r"(s)?(YYMMDD)?(hhmm(ss)?)?(X)?")
FORM_SHOWN = "sYYMMDDhhmm, YYMMDDhhmmss, YYMMDDhhmmssX and their like; for a part of the clock also YYMMDD or hhmmss"
COMMAND = r"[RW][1-6]"
RELAY_COMMANDS = (Command.DISCONNECT, Command.RECONNECT, Command.ARM)
DOUBTS = {"rejected": Status.REJECTED, "missing": Status.MISSING, "estimated": Status.ESTIMATED}
PROTOCOLS = ("iec62056-21",)
MAX_INTERVAL_S = 3600


@cache
def profiles() -> dict[str, DriverProfile]:
    """Return the packaged profiles by name."""
    folder = resources.files("gridwright.drivers") / "profiles"
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda one: one.name)
    return {
        entry.name.removesuffix(".toml"): parse_profile(entry.read_text(encoding="utf-8"), entry.name)
        for entry in found
    }


def profile_of(driver: str) -> DriverProfile:
    """Return the packaged profile of that name, or read the file of that path (`.toml`)."""
    if driver.endswith(".toml"):
        try:
            return parse_profile(Path(driver).read_text(encoding="utf-8"), driver)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"driver profile cannot be read: {error}", where=driver) from error
    known = profiles()
    if driver not in known:
        remedy = f"known: {', '.join(known)}; or give the path of a .toml file"
        raise ConfigError(f"there is no driver {driver!r}", remedy=remedy)
    return known[driver]


def parse_profile(text: str, file: str) -> DriverProfile:
    """Read a profile; ConfigError names file, key and what is allowed."""
    try:
        top = TomlTable(tomllib.loads(text), file=file)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"no TOML: {error}", where=file) from error
    session, identity, clock = (top.needed(key) for key in ("session", "identity", "clock"))
    profile, log, relay = (top.table(key) for key in ("profile", "log", "relay"))
    made = DriverProfile(
        name=Path(file).name.removesuffix(".toml"),
        title=top.text("title"),
        protocol=top.one_of("protocol", PROTOCOLS),
        password=session.one_of("password", ("P1", "P2", "none"), default="P1"),
        readout=session.one_of("mode", ("programming", "readout"), default="programming") == "readout",
        parity=session.one_of("parity", ("none", "even"), default="none") == "even",
        read=session.text("read", default="R5", pattern=COMMAND, allowed="R1 to R6"),
        write=session.text("write", default="W5", pattern=COMMAND, allowed="W1 to W6"),
        serial=identity.text("serial", pattern=ADDRESS, allowed=ADDRESS_SHOWN),
        firmware=identity.text("firmware", default="", pattern=ADDRESS, allowed=ADDRESS_SHOWN),
        clock=_clock(clock),
        registers=tuple(_value(one, Accumulation.CUMULATIVE) for one in top.tables("registers")),
        instantaneous=tuple(_value(one, Accumulation.INSTANTANEOUS) for one in top.tables("instantaneous")),
        status=tuple(_status(one) for one in top.tables("status")),
        profile=_profile(profile) if profile else None,
        log=_log(log) if log else None,
        relay=_relay(relay) if relay else None,
    )
    for table in (session, identity, top):
        table.done()
    if made.readout and (made.profile or made.log or made.relay):
        raise session.wrong("mode", "is 'readout'", "programming where there is a [profile], [log] or [relay]")
    return made


def _reading_type(table: TomlTable, accumulation: Accumulation) -> ReadingType:
    code = table.text("reading_type")
    try:
        kind = from_code(code)
    except NotFound as error:
        raise table.wrong("reading_type", f"is {code!r}", str(error.remedy)) from error
    if kind.accumulation is not accumulation:
        raise table.wrong("reading_type", f"is {code!r}", f"a reading type that is {accumulation}")
    return kind


def _value(table: TomlTable, accumulation: Accumulation) -> ValueSpec:
    spec = ValueSpec(
        address=table.text("address", pattern=ADDRESS, allowed=ADDRESS_SHOWN),
        reading_type=_reading_type(table, accumulation),
        digits=table.whole("digits", least=1, most=12),
        optional=table.flag("optional", default=False),
        measures=table.choice("measures", Measures, default=Measures.VALUE),
    )
    if spec.measures is Measures.MEAN_POWER and (
        spec.reading_type.quantity is not Quantity.ENERGY or accumulation is not Accumulation.DELTA
    ):
        raise table.wrong("measures", "is 'mean-power'", "mean-power only for an energy of the load profile")
    table.done()
    return spec


def _form(table: TomlTable, key: str, *, whole: bool) -> str:
    form = table.text(key)
    found = FORM.fullmatch(form)
    if found is None or not (found[2] or found[3]) or (found[1] and found[5]):
        raise table.wrong(key, f"is {form!r}", FORM_SHOWN)
    if whole and not (found[2] and found[3]):
        raise table.wrong(key, f"is {form!r}, without date or time", FORM_SHOWN)
    return form


def _clock(table: TomlTable) -> ClockSpec:
    zone = table.text("zone", default="link")
    if zone != "link":
        try:
            zone_of(zone)
        except InputError as error:
            raise table.wrong("zone", f"is {zone!r}", "link, or an IANA name such as Europe/Berlin") from error
    parts = []
    for one in table.tables("parts"):
        address = one.text("address", pattern=ADDRESS, allowed=ADDRESS_SHOWN)
        parts.append(ClockPart(address, _form(one, "form", whole=False)))
        one.done()
    forms = "".join(part.form for part in parts)
    if (forms.count("YY"), forms.count("hh")) != (1, 1):
        raise table.wrong("parts", f"are {[part.form for part in parts]}", "one date and one time, in one part or two")
    dst = table.choice("dst", Dst)
    table.done()
    return ClockSpec(tuple(parts), "" if zone == "link" else zone, dst)


def _status(table: TomlTable) -> StatusBit:
    doubt = table.one_of("quality", ("", *DOUBTS), default="")
    spec = StatusBit(
        bit=table.whole("bit", least=0, most=63),
        text=table.text("text"),
        quality=DOUBTS.get(doubt),
        event=table.text("event", default="", pattern=EVENT, allowed=EVENT_SHOWN),
    )
    table.done()
    return spec


def _profile(table: TomlTable) -> ProfileSpec:
    interval = table.whole("interval_s", least=60, most=MAX_INTERVAL_S)
    if MAX_INTERVAL_S % interval or interval % 60:
        raise table.wrong("interval_s", f"is {interval}", "whole minutes that divide an hour")
    spec = ProfileSpec(
        address=table.text("address", pattern=ADDRESS, allowed=ADDRESS_SHOWN),
        read=table.text("read", default="R5", pattern=COMMAND, allowed="R1 to R6"),
        interval_s=interval,
        stamp=_form(table, "stamp", whole=True),
        stamp_at_end=table.one_of("stamp_at", ("start", "end")) == "end",
        max_days=table.whole("max_days", least=1, most=400, default=10),
        channels=tuple(_value(one, Accumulation.DELTA) for one in table.tables("channels")),
    )
    if not spec.channels:
        raise table.wrong("channels", "are missing", "at least one [[profile.channels]]")
    table.done()
    return spec


def _log(table: TomlTable) -> LogSpec:
    told_by = table.choice("told_by", ToldBy)
    listed = table.table("events")
    events = _events(listed) if listed else {}
    spec = LogSpec(
        address=table.text("address", pattern=ADDRESS, allowed=ADDRESS_SHOWN),
        read=table.text("read", default="R5", pattern=COMMAND, allowed="R1 to R6"),
        stamp=_form(table, "stamp", whole=True),
        told_by=told_by,
        code_address=table.text("code_address", default="", pattern=ADDRESS, allowed=ADDRESS_SHOWN),
        events=events,
    )
    if told_by is ToldBy.CODE and not (spec.code_address and events):
        raise table.wrong("told_by", "is 'code'", "code needs code_address and [log.events]")
    table.done()
    return spec


def _events(listed: TomlTable) -> dict[str, EventSpec]:
    events = {}
    for code in listed.words():
        one = listed.needed(code)
        events[code] = EventSpec(one.text("event", pattern=EVENT, allowed=EVENT_SHOWN), one.text("text"))
        one.done()
    return events


def _relay(table: TomlTable) -> RelaySpec:
    orders = table.needed("commands")
    commands = {command: orders.text(command.value) for command in RELAY_COMMANDS if command.value in orders.words()}
    orders.done()
    listed = table.needed("states")
    states = {word: listed.choice(word, RelayState) for word in listed.words()}
    spec = RelaySpec(table.text("address", pattern=ADDRESS, allowed=ADDRESS_SHOWN), commands, states)
    if not commands:
        raise table.wrong("commands", "is empty", ", ".join(RELAY_COMMANDS))
    if not states:
        raise table.wrong("states", "is empty", ", ".join(RelayState))
    table.done()
    return spec
