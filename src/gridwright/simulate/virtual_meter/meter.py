"""The virtual meter: what it measures, remembers and does; how it speaks is `desk`'s affair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gridwright.domain.device import RelayState
from gridwright.domain.interval import Interval, epoch_s, from_epoch_s, zone_of
from gridwright.domain.reading_type import Flow
from gridwright.simulate.town import Floats
from gridwright.simulate.virtual_meter.device_clock import DeviceClock
from gridwright.simulate.virtual_meter.family import GENERIC_RELAY, Family, LogKind
from gridwright.simulate.virtual_meter.faults import Faults
from gridwright.simulate.virtual_meter.relay import Order, Relay
from gridwright.simulate.virtual_meter.supply import Source, Supply
from gridwright.simulate.virtual_meter.wall import winter_offset_s

QUARTER_HOUR = timedelta(minutes=15)
MAX_WRONG_PASSWORDS = 3
LOCKED_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log, at the device's own time."""

    at: datetime
    kind: LogKind


class VirtualMeter:
    """A meter that is not there: it counts what its source tells, until its relay opens.

    `clock` is the world's time; `source(period, flow)` tells whole Wh of each `interval` of a period on the grid, which
    counts from the zone's midnight (for quarter-hours that is UTC's grid too).
    `zone`: the wall clock the device shows. `needs_button`: a remote reconnection only arms the relay.
    """

    def __init__(  # noqa: PLR0913 - a meter has as many properties as it has
        self,
        serial: str,
        *,
        clock: Callable[[], datetime],
        source: Source,
        since: datetime,
        family: Family = GENERIC_RELAY,
        zone: str = "UTC",
        password: str = "00000000",  # noqa: S107 - the password meters leave the factory with
        interval: timedelta = QUARTER_HOUR,
        opening_wh: int = 0,
        voltage: Callable[[datetime], float] | None = None,
        needs_button: bool = False,
        drift_s: float = 0.0,
        drift_ppm: float = 0.0,
        faults: Faults | None = None,
    ) -> None:
        self.serial = serial
        self.family = family
        self.password = password
        self.interval = interval
        self.zone = zone_of(zone)
        self.faults = faults or Faults()
        self._clock = clock
        self._voltage = voltage
        phase_s = -winter_offset_s(self.zone, since.year) % int(interval.total_seconds())
        self._supply = Supply(source, interval=interval, since=since, opening_wh=opening_wh, phase_s=phase_s)
        self._time = DeviceClock(self._supply.since, ahead=drift_s, ppm=drift_ppm)
        self._relay = Relay(lambda: self.faults, self._relay_moved, needs_button=needs_button)
        self._log: list[LogEntry] = []
        self._clock_sets: list[datetime] = []
        self._wrong_passwords = 0
        self._locked_until = from_epoch_s(0)

    # What really is, for a test or a town to look at

    @property
    def now(self) -> datetime:
        """The world's time."""
        return self._clock()

    @property
    def relay(self) -> RelayState:
        """Where the relay really stands, whatever the meter says."""
        return self._relay.state(self.now)

    @property
    def connected(self) -> bool:
        """Whether energy can flow."""
        return self.relay is RelayState.CONNECTED

    def register_wh(self, flow: Flow = Flow.DELIVERED) -> int:
        """Return the counter now."""
        self._relay.state(self.now)
        return self._supply.register(epoch_s(self.now), flow)

    def measured(self, period: Interval, flow: Flow = Flow.DELIVERED) -> Floats:
        """Return Wh that really flowed in each interval of a period on the grid."""
        self._relay.state(self.now)
        return self._supply.measured(period, flow)

    @property
    def drift_s(self) -> float:
        """Seconds the device's clock is fast; may be set, unseen by the device."""
        return self._time.device(epoch_s(self.now)) - epoch_s(self.now)

    @drift_s.setter
    def drift_s(self, ahead: float) -> None:
        self._time.shift(epoch_s(self.now), ahead)

    def device_time(self) -> datetime:
        """Return the device's own time."""
        return from_epoch_s(int(self._time.device(epoch_s(self.now))))

    # What people and the world do to it

    def press_button(self) -> bool:
        """Let the customer press the reconnection button; False where the relay was not armed."""
        return self._relay.press_button(self.now)

    def adopt_relay(self, state: RelayState) -> None:
        """Put the relay into a state, as a meter has it that was installed so."""
        self._relay.force(state, self.now)

    def tamper(self, kind: LogKind = LogKind.COVER_OPENED) -> None:
        """Have somebody open the cover or hold a magnet to it."""
        self._note(kind)

    def power_out(self, period: Interval) -> None:
        """Take the power away during `period`: nothing flows, and nobody answers."""
        self._supply.power_out(epoch_s(period.start), epoch_s(period.end))

    # What its protocol asks

    @property
    def is_powered(self) -> bool:
        """Whether it can answer at all."""
        return self._supply.is_powered(epoch_s(self.now))

    @property
    def supply(self) -> Supply:
        """What flowed."""
        self._relay.state(self.now)
        return self._supply

    @property
    def time(self) -> DeviceClock:
        """How its clock ran."""
        return self._time

    @property
    def clock_sets(self) -> tuple[datetime, ...]:
        """True moments at which the clock was set."""
        return tuple(self._clock_sets)

    def voltage(self) -> float:
        """Return volts at the meter."""
        return 230.0 if self._voltage is None else self._voltage(self.now)

    def reported_relay(self) -> RelayState:
        """Return what it says of its relay."""
        return self._relay.reported(self.now)

    def obey(self, order: Order) -> None:
        """Carry a relay order out, as honestly as its faults allow."""
        self._relay.obey(order, self.now)

    def set_time(self, device: datetime) -> None:
        """Set the device's clock."""
        self._note(LogKind.CLOCK_SET)
        self._clock_sets.append(self.now)
        self._time.shift(epoch_s(self.now), epoch_s(device) - epoch_s(self.now))

    def log_in(self, password: str) -> bool:
        """Check a password; three wrong ones lock the meter for an hour."""
        if self.now < self._locked_until:
            return False
        if password == self.password:
            self._wrong_passwords = 0
            return True
        self._wrong_passwords += 1
        if self._wrong_passwords >= MAX_WRONG_PASSWORDS:
            self._wrong_passwords = 0
            self._locked_until = self.now + LOCKED_FOR
            self._note(LogKind.WRONG_PASSWORD)
        return False

    def log(self) -> list[LogEntry]:
        """Return the log, outages that have begun included, oldest first."""
        entries = list(self._log)
        for since, until in self._supply.outages():
            for moment, kind in ((since, LogKind.POWER_DOWN), (until, LogKind.POWER_UP)):
                if moment <= epoch_s(self.now):
                    entries.append(LogEntry(self._device_at(from_epoch_s(moment)), kind))
        return sorted(entries, key=lambda entry: entry.at)

    def _device_at(self, moment: datetime) -> datetime:
        return from_epoch_s(int(self._time.device(epoch_s(moment))))

    def _note(self, kind: LogKind, at: datetime | None = None) -> None:
        self._log.append(LogEntry(self._device_at(at or self.now), kind))

    def _relay_moved(self, at: datetime, state: RelayState, by_hand: bool) -> None:  # noqa: FBT001 - a callback
        self._supply.switch(epoch_s(at), connected=state is RelayState.CONNECTED)
        kinds = {
            RelayState.DISCONNECTED: LogKind.REMOTE_DISCONNECTION,
            RelayState.READY: LogKind.ARMED,
            RelayState.CONNECTED: LogKind.MANUAL_CONNECTION if by_hand else LogKind.REMOTE_CONNECTION,
        }
        self._note(kinds[state], at)
