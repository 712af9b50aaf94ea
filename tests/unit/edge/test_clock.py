"""The edge's clock: jumps, 1970 and drift change no order, and no time where the ticks know better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from gridwright.api.edge.wire import ClockTrust
from gridwright.edge.clock import FILE, EdgeClock, Moment, Source, boot_id, ticks_us, wall_us

if TYPE_CHECKING:
    from pathlib import Path

S = 1_000_000
NOON = 1_764_000_000 * S


@dataclass
class Machine:
    """A machine with a clock that may be wrong, and ticks that are not: `true` is the centre's time."""

    true: int = NOON
    wrong_by: int = 0
    booted: int = NOON - 1000 * S
    boot: str = "first"

    def clock(self, folder: Path) -> EdgeClock:
        source = Source(lambda: self.true + self.wrong_by, lambda: self.true - self.booted, self.boot)
        return EdgeClock(folder, source=source)

    def moment(self) -> Moment:
        return Moment(self.true + self.wrong_by, self.true - self.booted, self.boot)

    def later(self, seconds: float) -> Moment:
        self.true += int(seconds * S)
        return self.moment()

    def ask(self, clock: EdgeClock, took: float = 0.1, centre_ahead: int = 0) -> None:
        asked = self.moment()
        self.true += int(took * S / 2)
        centre = self.true + centre_ahead
        clock.measured(centre, asked, self.later(took / 2))


def test_a_clock_that_agrees_is_believed(tmp_path: Path) -> None:
    machine = Machine()
    clock, before = machine.clock(tmp_path), machine.later(0)
    machine.ask(clock)
    after = machine.later(5)
    assert clock.instant(before) == (before.wall_us, ClockTrust.RIGHT)
    assert clock.instant(after) == (after.wall_us, ClockTrust.RIGHT)
    assert clock.ahead_s == 0.0


def test_a_clock_that_is_off_is_corrected(tmp_path: Path) -> None:
    machine = Machine(wrong_by=3600 * S)
    clock = machine.clock(tmp_path)
    came, true = machine.later(1), machine.true
    machine.ask(clock)
    assert clock.instant(came) == (true, ClockTrust.CORRECTED)
    assert clock.ahead_s == 3600.0


def test_a_jump_between_receipt_and_sending_changes_nothing(tmp_path: Path) -> None:
    machine = Machine()
    clock = machine.clock(tmp_path)
    machine.ask(clock)
    first, at_first = machine.later(10), machine.true
    machine.wrong_by = -86_400 * S
    second, at_second = machine.later(10), machine.true
    machine.wrong_by = 86_400 * S
    third, at_third = machine.later(10), machine.true
    assert [clock.instant(each)[0] for each in (first, second, third)] == [at_first, at_second, at_third]
    assert clock.instant(second)[1] is ClockTrust.CORRECTED


def test_a_start_in_1970_is_right_as_soon_as_the_centre_is_reached(tmp_path: Path) -> None:
    machine = Machine(boot="second", booted=NOON)
    machine.wrong_by = -NOON
    clock = machine.clock(tmp_path)
    came, true = machine.later(60), machine.true
    machine.ask(clock)
    assert clock.instant(came) == (true, ClockTrust.CORRECTED)


def test_an_earlier_start_of_the_machine_keeps_its_offset(tmp_path: Path) -> None:
    machine = Machine(wrong_by=-500 * S)
    clock = machine.clock(tmp_path)
    machine.ask(clock)
    came, true = machine.later(10), machine.true
    machine.boot, machine.booted, machine.wrong_by = "second", machine.true, -machine.true
    again = machine.clock(tmp_path)
    machine.ask(again)
    assert again.instant(came) == (true, ClockTrust.CORRECTED)


def test_a_start_without_contact_is_believed_only_where_its_clock_can_be_right(tmp_path: Path) -> None:
    machine = Machine()
    clock = machine.clock(tmp_path)
    machine.ask(clock)
    last = clock.instant(machine.later(10))[0]
    clock.save()
    machine.boot, machine.booted = "fine", machine.true
    fine = machine.later(100)
    machine.boot, machine.booted, machine.wrong_by = "1970", machine.true, -machine.true
    bad = [machine.later(5), machine.later(7)]
    machine.boot, machine.booted, machine.wrong_by = "ahead", machine.true, 9 * 86_400 * S
    ahead = machine.later(5)
    machine.boot, machine.booted, machine.wrong_by = "now", machine.true, 0
    again = machine.clock(tmp_path)
    machine.ask(again)
    told = [again.instant(each) for each in (fine, *bad, ahead)]
    assert [trust for _, trust in told] == [ClockTrust.UNCHECKED, *[ClockTrust.GUESSED] * 3]
    instants = [instant for instant, _ in told]
    assert instants[0] == fine.wall_us > last
    assert instants == sorted(instants)
    assert instants[2] - instants[1] == 7 * S


def test_times_do_not_swim_with_the_network(tmp_path: Path) -> None:
    machine = Machine(wrong_by=-9000 * S)
    clock = machine.clock(tmp_path)
    machine.ask(clock)
    came = machine.later(1)
    first = clock.instant(came)
    machine.ask(clock, took=1.5, centre_ahead=S // 3)
    assert clock.instant(came) == first
    machine.ask(clock, took=0.1, centre_ahead=20 * S)  # the centre's own clock was set
    assert clock.instant(came)[0] == first[0] + 20 * S


def test_what_is_broken_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\x00")
    clock = Machine().clock(tmp_path)
    assert not clock.is_measured
    assert clock.ahead_s is None


@given(jumps=st.lists(st.tuples(st.integers(1, 10**6), st.integers(-(10**12), 10**12)), min_size=1, max_size=20))
def test_order_stays_whatever_the_clock_does(tmp_path_factory: object, jumps: list[tuple[int, int]]) -> None:
    folder = tmp_path_factory.mktemp("clock")  # type: ignore[attr-defined]
    machine = Machine()
    clock = machine.clock(folder)
    moments = []
    for seconds, wrong in jumps:
        moments.append(machine.later(seconds))
        machine.wrong_by = wrong
    machine.ask(clock)
    told = [clock.instant(each)[0] for each in moments]
    assert told == sorted(told)


def test_a_clock_set_by_less_than_the_limit_does_not_turn_the_order(tmp_path: Path) -> None:
    machine = Machine(wrong_by=19 * S // 10)
    clock = machine.clock(tmp_path)
    machine.ask(clock)
    moments = [machine.later(1)]
    machine.wrong_by = 0
    moments.append(machine.later(1))
    (first, trust), (second, _) = [clock.instant(each) for each in moments]
    assert second - first == S
    assert trust is ClockTrust.RIGHT


def test_the_machine_tells_its_own() -> None:
    assert boot_id() == boot_id()
    assert ticks_us() <= ticks_us()
    assert wall_us() > NOON
