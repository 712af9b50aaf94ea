"""A session with an IEC 62056-21 meter (mode C, programming mode), as its profile describes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gridwright.domain.control import Command
from gridwright.domain.device import RelayState
from gridwright.domain.errors import DeviceNonsense, DeviceRefused
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, empty_panel
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.drivers.device_time import DeviceTime
from gridwright.drivers.driver import Identity
from gridwright.drivers.event_log import LogReader
from gridwright.drivers.exchange import Exchange
from gridwright.drivers.load_profile import ProfileBuilder, requests
from gridwright.drivers.profile import DriverProfile, LogSpec, ProfileSpec, RelaySpec, ValueSpec
from gridwright.drivers.talk import ProgrammingTalk, ReadoutTalk, Talk
from gridwright.drivers.values import Scale, default_unit
from gridwright.protocols import iec62056_21 as iec
from gridwright.protocols.iec62056_21 import DataSet

NO_DATA = "ERROR"  # P.01(ERROR): nothing in the period asked for (VDEW)
CLOCK_TOLERANCE = timedelta(seconds=60)
MIDNIGHT = "0000"


class MeterSession:
    """What `gridwright.drivers.driver.Session` promises, for IEC 62056-21; opened by `connect`."""

    def __init__(
        self, exchange: Exchange, profile: DriverProfile, *, zone: ZoneInfo, clock: Callable[[], datetime]
    ) -> None:
        self._exchange = exchange
        self._profile = profile
        self._talk: Talk = ReadoutTalk(exchange) if profile.readout else ProgrammingTalk(exchange, profile)
        self._now = clock
        self._time = DeviceTime(zone, profile.clock.dst)
        self._identity = Identity("")

    async def open(self, serial: str, secret: bytes | None) -> None:
        """Sign on, give the password, and make sure that the right meter answers."""
        told = await self._talk.open(serial, secret)
        found = (await self._talk.value(self._profile.serial)).value.strip()
        if not found:
            raise DeviceNonsense(f"the device tells no serial at {self._profile.serial}", where=self._exchange.where)
        if serial and found.lstrip("0") != serial.lstrip("0"):
            raise DeviceNonsense(
                f"meter {found!r} answers instead of {serial!r}",
                where=self._exchange.where,
                remedy="check which meter hangs at this address before any reading is taken from it",
            )
        self._identity = Identity(serial or found, told.manufacturer.upper(), told.identification.strip())
        self._exchange.device = self._identity.serial

    async def identify(self) -> Identity:
        """Return who the device is."""
        if self._profile.firmware and not self._identity.firmware:
            firmware = await self._optional(self._profile.firmware)
            known = self._identity
            text = firmware.value.strip() if firmware else ""
            self._identity = Identity(known.serial, known.manufacturer, known.model, text)
        return self._identity

    async def clock(self) -> datetime:
        """Return the device's own time as aware UTC."""
        texts = [(await self._talk.value(part.address)).value.strip() for part in self._profile.clock.parts]
        if len(texts) > 1:
            texts = await self._same_day(texts)
        with self._placed():
            return self._time.to_utc(self._stamp(texts))

    async def set_clock(self, now: datetime) -> None:
        """Set the device's time and make sure by reading it back."""
        began = self._now()
        for part in self._profile.clock.parts:
            await self._talk.write(part.address, self._time.write(now, part.form))
        shown = await self.clock()
        expected = now + (self._now() - began)
        if abs(shown - expected) > CLOCK_TOLERANCE:
            raise DeviceNonsense(
                f"the clock was set to {expected.isoformat()} and shows {shown.isoformat()}", where=self._exchange.where
            )

    async def capabilities(self) -> dict[str, str]:
        """Return what the device can do; each is tried, none is believed."""
        registers = [spec.address for spec in self._profile.registers if await self._optional(spec.address)]
        channels = await self._channels() if self._profile.profile else []
        known = self._profile.profile
        return {
            "profile_interval_s": str(known.interval_s) if known and channels else "",
            "channels": ",".join(channels),
            "registers": ",".join(registers),
            "instantaneous": ",".join(
                [spec.address for spec in self._profile.instantaneous if await self._optional(spec.address)]
            ),
            "relay": await self._yes(self._profile.relay),
            "events": "yes" if self._profile.log else "no",
            "clock": "yes",
        }

    async def registers(self) -> list[RegisterReading]:
        """Read all registers, at the time at which each was answered."""
        return await self._readings(self._profile.registers)

    async def instantaneous(self) -> list[RegisterReading]:
        """Read what the device measures just now: voltage and its like, in counts of their reading types."""
        return await self._readings(self._profile.instantaneous)

    async def profile(self, reading_type: ReadingType, period: Interval) -> Panel:
        """Read the load profile in requests the device can bear; the panel has the profile's resolution."""
        spec, channel = self._channel(reading_type)
        builder = ProfileBuilder(spec, channel, self._profile.status, self._time, period)
        step = timedelta(seconds=spec.interval_s)
        if builder.period.length < step:
            return empty_panel((self._identity.serial,), builder.period, step, channel.reading_type)
        for part in requests(builder.period, spec.max_days):
            shift = step if spec.stamp_at_end else timedelta(0)
            asked = Interval(part.start + shift, part.end - step + shift)
            groups = await self._records(spec, asked)
            with self._placed():
                builder.add(groups)
        return builder.panel(self._identity.serial)

    async def events(self, period: Interval) -> list[EndDeviceEvent]:
        """Read the device's log of a period."""
        spec = self._profile.log
        if spec is None:
            return []
        groups = await self._records(spec, period)
        reader = LogReader(self._profile, spec, self._time)
        serial = self._identity.serial
        with self._placed():
            return reader.events(groups, serial=serial, period=period, known_at=self._now())

    async def relay(self) -> RelayState:
        """Read the relay's state back."""
        spec = self._relay_spec()
        word = (await self._talk.value(spec.address)).value.strip()
        if word not in spec.states:
            known = ", ".join(spec.states)
            raise DeviceNonsense(f"relay {spec.address} tells {word[:40]!r}, not {known}", where=self._exchange.where)
        return spec.states[word]

    async def set_relay(self, command: Command) -> None:
        """Send one relay command once; after silence nobody knows whether it was carried out."""
        spec = self._relay_spec()
        if command not in spec.commands:
            raise DeviceRefused(
                f"{self._profile.name} has no word for {command}",
                where=self._exchange.where,
                remedy=f"it has {', '.join(spec.commands)}",
            )
        await self._talk.write(spec.address, spec.commands[command])

    async def close(self) -> None:
        """Sign off and hang up."""
        self._exchange.sign_off()

    # Values

    async def _optional(self, address: str) -> DataSet | None:
        try:
            return await self._talk.value(address)
        except DeviceRefused:
            return None

    async def _yes(self, spec: RelaySpec | None) -> str:
        return "yes" if spec and await self._optional(spec.address) else "no"

    # Clock

    async def _same_day(self, texts: list[str]) -> list[str]:
        """Read the date again where midnight may have passed between date and time."""
        parts = self._profile.clock.parts
        at = next(number for number, part in enumerate(parts) if "YY" in part.form)
        time_digits = texts[1 - at][1:] if parts[1 - at].form.startswith("s") else texts[1 - at]
        if time_digits.startswith(MIDNIGHT):
            texts[at] = (await self._talk.value(parts[at].address)).value.strip()
        return texts

    def _stamp(self, texts: list[str]) -> iec.Stamp:
        """Join the parts of the clock, each in its form, to one stamp."""
        season, digits = "", {}
        for text, part in zip(texts, self._profile.clock.parts, strict=True):
            bare = "".join(character for character in text if character.isalnum())
            if len(bare) != len(part.form):
                raise DeviceNonsense(
                    f"clock {part.address} tells {text[:40]!r}, not {part.form}", where=self._exchange.where
                )
            if part.form.startswith("s"):
                season, bare = bare[0], bare[1:]
            digits["date" if "YY" in part.form else "time"] = bare
        try:
            return iec.parse_stamp(season + digits.get("date", "") + digits.get("time", ""))
        except iec.ProtocolError as error:
            raise DeviceNonsense(f"the clock tells {texts}: {error}", where=self._exchange.where) from error

    # Registers

    async def _readings(self, specs: tuple[ValueSpec, ...]) -> list[RegisterReading]:
        readings = []
        for spec in specs:
            found = await self._optional(spec.address) if spec.optional else await self._talk.value(spec.address)
            if found is None:
                continue
            with self._placed():
                counts = Scale(spec, found.unit or default_unit(spec)).count(found.value)
            if counts is not None:
                serial = self._identity.serial
                readings.append(RegisterReading("", self._now(), float(counts), serial, reading_type=spec.reading_type))
        return readings

    # Load profile and log

    def _channel(self, reading_type: ReadingType) -> tuple[ProfileSpec, ValueSpec]:
        spec = self._profile.profile
        for channel in spec.channels if spec else ():
            if channel.reading_type.finer(0) == reading_type.finer(0) and spec:
                return spec, channel
        known = ", ".join(channel.reading_type.code for channel in spec.channels) if spec else "no load profile"
        raise DeviceRefused(
            f"{self._profile.name} keeps no {reading_type.code}", where=self._exchange.where, remedy=f"it keeps {known}"
        )

    async def _channels(self) -> list[str]:
        """Return the reading types of the channels the device's own profile header names."""
        spec = self._profile.profile
        if spec is None:
            return []
        now = await self.clock()
        groups = await self._records(spec, Interval(now - timedelta(days=1), now))
        told = {iec.short(channel.address) for group in groups for channel in group.channels}
        return [
            channel.reading_type.code for channel in spec.channels if not told or iec.short(channel.address) in told
        ]

    async def _records(self, spec: ProfileSpec | LogSpec, period: Interval) -> tuple[iec.RecordGroup, ...]:
        """Ask for the records between two stamps, both included; none is no error."""
        operand = ";".join(self._time.write(moment, spec.stamp) for moment in (period.start, period.end))
        try:
            lines = await self._talk.read(spec.read, spec.address, operand)
        except DeviceRefused as error:
            if error.message.endswith(f": {NO_DATA}"):
                return ()
            raise
        try:
            return iec.parse_groups(lines, spec.address)
        except iec.ProtocolError as error:
            raise DeviceNonsense(f"{spec.address}: {error}", where=self._exchange.where) from error

    @contextmanager
    def _placed(self) -> Iterator[None]:
        """Tell where nonsense came from."""
        try:
            yield
        except DeviceNonsense as error:
            raise DeviceNonsense(error.message, where=self._exchange.where, remedy=error.remedy) from error

    def _relay_spec(self) -> RelaySpec:
        if self._profile.relay is None:
            raise DeviceRefused(f"{self._profile.name} has no relay", where=self._exchange.where)
        return self._profile.relay
