"""What a virtual meter answers: registers, identity, clock, load profile and log, as data lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise

import numpy as np

from gridwright.domain.device import RelayState
from gridwright.domain.interval import epoch_s, from_epoch_s
from gridwright.protocols.iec62056_21 import (
    Channel,
    DataSet,
    ProtocolError,
    RecordGroup,
    format_group,
    format_stamp,
    parse_stamp,
)
from gridwright.simulate.virtual_meter.family import Figure, Flag
from gridwright.simulate.virtual_meter.meter import VirtualMeter
from gridwright.simulate.virtual_meter.wall import changes_season, moment_of, stamp_of

MEMORY = timedelta(days=180)
NO_DATA = "ERROR"
PERIOD = re.compile(r"\(?([^;()]*);([^;()]*)\)?")
Lines = list[list[DataSet]]


class NoAnswer(Exception):
    """The meter has nothing at this address, or cannot make sense of the operand; the text is its error."""


def single(meter: VirtualMeter, address: str) -> DataSet:
    """Return the value at an address."""
    family = meter.family
    if address in family.registers:
        figure = family.registers[address]
        return DataSet(address, figure.text(meter.register_wh(figure.flow)), figure.unit)
    if address in family.clock:
        return DataSet(address, format_stamp(stamp_of(meter.device_time(), meter.zone), family.clock[address]))
    if address == family.voltage_address:
        return DataSet(address, f"{meter.voltage():05.1f}", "V")
    if family.relay_address and address == family.relay_address:
        return DataSet(address, _relay_word(meter))
    texts = {
        family.serial_address: meter.faults.wrong_serial or meter.serial,
        family.firmware_address: family.firmware,
    }
    if address in texts:
        return DataSet(address, texts[address])
    raise NoAnswer("ER01")


def readout(meter: VirtualMeter) -> Lines:
    """Return what the meter shows without a password."""
    family = meter.family
    addresses = [family.serial_address, family.firmware_address, *family.clock, *family.registers]
    return [[single(meter, address)] for address in [*addresses, family.voltage_address]]


def _relay_word(meter: VirtualMeter) -> str:
    states = (RelayState.DISCONNECTED, RelayState.CONNECTED, RelayState.READY)
    return meter.family.relay_words[states.index(meter.reported_relay())]


def asked_period(meter: VirtualMeter, operand: str) -> tuple[datetime, datetime]:
    """Read `(from;to)`: device times, both ends included; an empty end is open."""
    found = PERIOD.fullmatch(operand.strip())
    if found is None:
        raise NoAnswer("ER02")
    device_now = meter.device_time()
    try:
        first = moment_of(parse_stamp(found[1]), meter.zone) if found[1].strip() else device_now - MEMORY
        last = moment_of(parse_stamp(found[2]), meter.zone) if found[2].strip() else device_now
    except ProtocolError as error:
        raise NoAnswer("ER02") from error
    return max(first, device_now - MEMORY), last


def load_profile(meter: VirtualMeter, operand: str) -> Lines:
    """Return the intervals whose stamps lie in the period asked for."""
    first, last = asked_period(meter, operand)
    step = int(meter.interval.total_seconds())
    shift = step if meter.family.stamp_at_end else 0
    supply = meter.supply
    start = supply.floor(max(epoch_s(first) - shift, supply.since) + step - 1)
    newest = supply.floor(epoch_s(meter.device_time())) - step
    count = (min(supply.floor(epoch_s(last) - shift), newest) - start) // step + 1
    if count <= 0:
        return [[DataSet(meter.family.profile_address, NO_DATA)]]
    lines: Lines = []
    for group in _groups(meter, start, count):
        lines += _written(meter, group)
    return lines or [[DataSet(meter.family.profile_address, NO_DATA)]]


def _groups(meter: VirtualMeter, start: int, count: int) -> Iterator[RecordGroup]:
    """Yield runs of intervals of one status; intervals that the device's clock jumped over are not there."""
    family, step = meter.family, int(meter.interval.total_seconds())
    edges = start + step * np.arange(count + 1, dtype=np.int64)
    true = meter.time.true(edges)
    texts = [
        _column(figure, np.diff(meter.supply.registers(true, figure.flow)).tolist(), step)
        for figure in family.channels.values()
    ]
    channels = tuple(Channel(address, figure.unit) for address, figure in family.channels.items())
    states = _states(meter, edges.tolist(), true.tolist())
    shift = step if family.stamp_at_end else 0
    for status, run in groupby(range(count), key=lambda slot: states[slot]):
        if status is None:
            continue
        slots = list(run)
        moment = from_epoch_s(int(edges[slots[0]]) + shift)
        rows = tuple(tuple(column[slot] for column in texts) for slot in slots)
        yield RecordGroup(stamp_of(moment, meter.zone), status, step // 60, channels, rows)


def _column(figure: Figure, wh: list[int], step: int) -> list[str]:
    return [figure.text(value, step) for value in wh]


def _states(meter: VirtualMeter, edges: list[int], true: list[int]) -> list[int | None]:
    """Return the status word of each interval, None for one that never was."""
    bits = meter.family.flags
    states: list[int | None] = [None if first == last else 0 for first, last in pairwise(true)]

    def mark(since: int, until: int, *flags: Flag) -> None:
        for slot, state in enumerate(states):
            if state is not None and true[slot] < until and since < true[slot + 1]:
                states[slot] = state | sum(bits.get(flag, 0) for flag in flags)

    for since, until in meter.supply.outages():
        mark(since, since + 1, Flag.POWER_FAILED)
        mark(until, until + 1, Flag.POWER_RETURNED)
        mark(since, until, Flag.DISTURBED)
    for moment in meter.clock_sets:
        mark(epoch_s(moment), epoch_s(moment) + 1, Flag.CLOCK_SET)
    for slot, edge in enumerate(edges[:-1]):
        state = states[slot]
        if state is not None and changes_season(from_epoch_s(edge), meter.interval, meter.zone):
            states[slot] = state | bits.get(Flag.SEASON_CHANGED, 0)
    return states


def _written(meter: VirtualMeter, group: RecordGroup) -> Iterator[list[DataSet]]:
    family = meter.family
    return format_group(
        family.profile_address,
        format_stamp(group.stamp, family.profile_stamp),
        f"{group.status:0{family.status_digits}X}",
        str(group.minutes),
        group,
    )


def log_book(meter: VirtualMeter, operand: str) -> Lines:
    """Return the log's entries of the period asked for."""
    first, last = asked_period(meter, operand)
    family = meter.family
    lines: Lines = []
    for entry in meter.log():
        code = family.log_codes.get(entry.kind)
        if code is None or not first <= entry.at <= last:
            continue
        status = code if family.log_by_status else 0
        channels = () if family.log_by_status else (Channel(family.log_code_address),)
        rows = () if family.log_by_status else ((str(code),),)
        stamp = stamp_of(entry.at, meter.zone)
        group = RecordGroup(stamp, status, None, channels, rows)
        word = f"{status:0{family.status_digits}X}"
        lines += format_group(family.log_address, format_stamp(stamp, family.log_stamp), word, "", group)
    return lines or [[DataSet(family.log_address, NO_DATA)]]


def written_time(meter: VirtualMeter, address: str, text: str) -> datetime:
    """Return the device time after one part of the clock was written; the other part stays as it is."""
    shown = stamp_of(meter.device_time(), meter.zone)
    form = meter.family.clock[address]
    digits = re.sub(r"[-:. ]", "", text)
    if len(digits) != len(form):
        raise NoAnswer("ER02")
    try:
        if "YY" in form and "hh" in form:
            return moment_of(parse_stamp(digits), meter.zone)
        season, digits = (digits[0], digits[1:]) if form.startswith("s") else ("", digits)
        other = format_stamp(shown, "hhmmss" if "YY" in form else "YYMMDD")
        whole = season + (digits + other if "YY" in form else other + digits)
        return moment_of(parse_stamp(whole), meter.zone).astimezone(UTC)
    except ProtocolError as error:
        raise NoAnswer("ER02") from error


def blocks_of(lines: Lines, rows: int) -> Iterator[Lines]:
    """Yield lines in parts of at most `rows`, for answers in partial blocks."""
    for at in range(0, len(lines), rows):
        yield lines[at : at + rows]
