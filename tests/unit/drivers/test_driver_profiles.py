"""Device families as data: the packaged ones, one's own, and each mistake named with file, key and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridwright.domain.control import Command
from gridwright.domain.device import RelayState
from gridwright.domain.errors import ConfigError
from gridwright.domain.quality import Status
from gridwright.drivers import parse_address, parse_profile, profile_of, profiles
from gridwright.drivers.profile import Measures

FOLDER = Path(__file__).resolve().parents[3] / "src" / "gridwright" / "drivers" / "profiles"
GENERIC = (FOLDER / "generic-relay.toml").read_text("utf-8")


def test_the_packaged_families_are_known_by_name() -> None:
    assert (
        set(profiles())
        == {"generic-relay", "readout-only", "vdew-load-profile"}
        == {path.stem for path in FOLDER.glob("*.toml")}
    )


def test_a_family_with_relay() -> None:
    profile = profile_of("generic-relay")
    assert profile.relay is not None
    assert profile.relay.commands[Command.DISCONNECT] == "0"
    assert profile.relay.states["2"] is RelayState.READY
    assert profile.log is not None
    assert profile.log.events["62"].event == "3.31.0.68"
    assert {bit.bit: bit.quality for bit in profile.status}[0] is Status.REJECTED


def test_a_family_without_relay_and_in_other_formats() -> None:
    profile = profile_of("vdew-load-profile")
    assert profile.relay is None
    assert profile.profile is not None
    assert profile.profile.stamp_at_end
    assert [channel.measures for channel in profile.profile.channels] == [Measures.MEAN_POWER] * 2
    assert len(profile.clock.parts) == 2


def test_ones_own_family_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "my-meter.toml"
    path.write_text(GENERIC.replace('serial = "C.1.0"', 'serial = "96.1.0"'), encoding="utf-8")
    profile = profile_of(str(path))
    assert (profile.name, profile.serial) == ("my-meter", "96.1.0")


def test_an_unknown_family_tells_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="generic-relay, readout-only, vdew-load-profile"):
        profile_of("generic-realy")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        profile_of(str(tmp_path / "gone.toml"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "', 'titel = "x"\ntitle = "', "titel is unknown; did you mean title?"),
        ('protocol = "iec62056-21"', 'protocol = "modbus"', "protocol is 'modbus' (allowed: iec62056-21)"),
        ('protocol = "iec62056-21"', "", "protocol is missing"),
        ("[session]", "[sessions]", "session is missing"),
        ('password = "P1"', 'password = "P3"', "session.password is 'P3' (allowed: P1, P2, none)"),
        ("[session]", '[session]\nmode = "readout"', "session.mode is 'readout' (allowed: programming where there is"),
        ('read = "R5"\nwrite', 'read = "R9"\nwrite', "session.read is 'R9' (allowed: R1 to R6)"),
        ('serial = "C.1.0"', "serial = 7", "identity.serial is 7 (allowed: an address such as 1.8.0 or P.01)"),
        ('dst = "flagged"', 'dst = "maybe"', "clock.dst is 'maybe' (allowed: flagged, wall, standard)"),
        ('zone = "link"', 'zone = "Mars/North"', "clock.zone is 'Mars/North'"),
        ("YYMMDDhhmmssX", "DDMMYY", "clock.parts[0].form is 'DDMMYY'"),
        ("YYMMDDhhmmssX", "YYMMDD", "clock.parts are ['YYMMDD'] (allowed: one date and one time"),
        ("energy/cumulative/0", "energy/delta/0", "a reading type that is cumulative"),
        ("energy/cumulative/0", "steam", "registers[0].reading_type is"),
        ("digits = 6", "digits = 60", "registers[0].digits is 60 (allowed: a whole number from 1 to 12)"),
        ("digits = 6", "digits = true", "registers[0].digits is True"),
        ("optional = true", 'optional = "yes"', "registers[1].optional is 'yes' (allowed: true or false)"),
        ("optional = true", 'measures = "mean-power"', "registers[1].measures"),
        ("interval_s = 900", "interval_s = 1000", "interval_s is 1000 (allowed: whole minutes that divide"),
        ('stamp_at = "start"', 'stamp_at = "noon"', "profile.stamp_at is 'noon' (allowed: start, end)"),
        ('stamp = "sYYMMDDhhmmss"', 'stamp = "hhmmss"', "profile.stamp is 'hhmmss', without date or time"),
        ("[[profile.channels]]", "[[profile.chanels]]", "profile.chanels is unknown; did you mean channels?"),
        ("bit = 7", "bit = 99", "status[0].bit is 99"),
        ('event = "3.26.0.47"', 'event = "outage"', "status[0].event is 'outage' (allowed: a CIM EndDeviceEventType"),
        ('quality = "rejected"', 'quality = "fine"', "status[5].quality is 'fine' (allowed: rejected, "),
        ('told_by = "code"', 'told_by = "rumour"', "log.told_by is 'rumour' (allowed: code, status)"),
        ('code_address = "96.11.0"', "", "log.told_by is 'code' (allowed: code needs code_address and [log.events])"),
        ('1 = { event = "3.26.0.47"', '1 = { evnt = "3.26.0.47"', "log.events.1.event is missing"),
        ('disconnect = "0"', 'unplug = "0"', "relay.commands.unplug is unknown"),
        ('0 = "disconnected"', '0 = "off"', "relay.states.0 is 'off' (allowed: disconnected, "),
        ("[[status]]", "[[stati]]", "stati is unknown; did you mean status?"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(old: str, new: str, message: str) -> None:
    assert old in GENERIC
    with pytest.raises(ConfigError) as caught:
        parse_profile(GENERIC.replace(old, new, 1), "my.toml")
    assert str(caught.value).startswith("my.toml: ")
    assert message in str(caught.value)


def test_what_is_no_toml_is_told_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"my\.toml: no TOML: .*line 2"):
        parse_profile("title = 'x'\n= 7\n", "my.toml")


def test_addresses_name_gateway_and_serial() -> None:
    address = parse_address("tcp://[::1]:4059/M-1042")
    assert (address.host, address.port, address.serial) == ("::1", 4059, "M-1042")
    assert parse_address("tcp://gateway:4059").serial == ""
    assert parse_address("tcp://gateway:4059/12%2034").serial == "12 34"


@pytest.mark.parametrize(
    "text",
    ["", "gateway:4059/M", "udp://gateway:4059/M", "tcp://gateway/M", "tcp://:4059/M", "tcp://gateway:70000/M",
     "tcp://gateway:4059/M!1", "tcp://gateway:4059/a/b", "tcp://gateway:4059/" + "9" * 33, "tcp://u@gateway:4059/M"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(text)
    assert caught.value.remedy
