"""One conversation with one virtual meter: commands in, answers out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from gridwright.protocols.iec62056_21 import (
    Called,
    Command,
    Commanded,
    HungUp,
    Identification,
    Kind,
    MalformedTelegram,
    Mode,
    Selected,
    ServerEvent,
    ServerSession,
    format_lines,
    short,
)
from gridwright.simulate.virtual_meter.answers import (
    Lines,
    NoAnswer,
    blocks_of,
    load_profile,
    log_book,
    readout,
    single,
    written_time,
)
from gridwright.simulate.virtual_meter.meter import VirtualMeter
from gridwright.simulate.virtual_meter.relay import Order, RelayRefused

OPERAND = re.compile(r"([^()]*)\((.*)\)", re.DOTALL)
ORDERS = (Order.OPEN, Order.CLOSE, Order.ARM)
PARTIAL = ("3", "4", "6")  # command types that may be answered in partial blocks


class Desk:
    """Answers for whichever meter of `meters` was called; nobody answers for an address that is not there."""

    def __init__(self, meters: Callable[[], Mapping[str, VirtualMeter]]) -> None:
        self._meters = meters
        self._session = ServerSession()
        self._logged_in = False
        self.meter: VirtualMeter | None = None
        self.ended = False

    def receive(self, data: bytes) -> bytes:
        """Take a reader's bytes and return the answer; noise is not answered."""
        try:
            for event in self._session.receive(data):
                self._handle(event)
        except MalformedTelegram:
            pass
        return self._session.to_send()

    def _handle(self, event: ServerEvent) -> None:
        match event:
            case Called(address):
                self._called(address)
            case HungUp():
                self.ended = True
            case Selected(option) if self.meter:
                self._logged_in = False
                if option.mode == Mode.READOUT:
                    self._session.answer(format_lines(readout(self.meter), readout=True))
                elif self.meter.family.programming:
                    self._session.challenge()
                else:
                    self._session.refuse("ER09")
            case Commanded(command) if self.meter:
                self._commanded(self.meter, command)

    def _called(self, address: str) -> None:
        meters = self._meters()
        wanted = address.lstrip("0")
        alone = next(iter(meters.values())) if len(meters) == 1 and not address else None
        self.meter = meters.get(address) or meters.get(wanted) or alone
        if self.meter and self.meter.is_powered:
            family = self.meter.family
            self._session.identify(Identification(family.manufacturer, "5", family.model))
        else:
            self.meter = None

    def _commanded(self, meter: VirtualMeter, command: Command) -> None:
        if meter.faults.refuses:
            self._session.refuse(meter.faults.refuses)
            return
        found = OPERAND.fullmatch(command.data)
        address, operand = (short(found[1]), found[2]) if found else ("", command.data)
        try:
            if command.kind == Kind.PASSWORD:
                self._password(meter, operand)
            elif command.kind == Kind.READ:
                self._read(meter, command, address, operand)
            else:
                self._write(meter, address, operand)
        except NoAnswer as error:
            self._session.refuse(str(error))

    def _password(self, meter: VirtualMeter, password: str) -> None:
        self._logged_in = meter.log_in(password)
        if not self._logged_in:
            raise NoAnswer("ER08")
        self._session.acknowledge()

    def _read(self, meter: VirtualMeter, command: Command, address: str, operand: str) -> None:
        if not (self._logged_in or meter.family.open_reads):
            raise NoAnswer("ER08")
        if address == meter.family.profile_address:
            lines = load_profile(meter, operand)
        elif address == meter.family.log_address:
            lines = log_book(meter, operand)
        else:
            lines = [[single(meter, address)]]
        self._answer(lines, rows=meter.family.block_rows if command.type in PARTIAL else len(lines))

    def _answer(self, lines: Lines, *, rows: int) -> None:
        if len(lines) == 1:  # a single value stands without line end, as meters write it
            self._session.answer("".join(map(str, lines[0])))
            return
        self._session.answer(format_lines(part) for part in blocks_of(lines, rows))

    def _write(self, meter: VirtualMeter, address: str, operand: str) -> None:
        if not self._logged_in:
            raise NoAnswer("ER08")
        family = meter.family
        if address in family.clock:
            meter.set_time(written_time(meter, address, operand))
        elif family.relay_address and address == family.relay_address:
            self._switch(meter, operand)
        else:
            raise NoAnswer("ER01")
        self._session.acknowledge()

    def _switch(self, meter: VirtualMeter, word: str) -> None:
        if meter.faults.refuses_relay:
            raise NoAnswer(meter.faults.refuses_relay)
        if word not in meter.family.relay_words:
            raise NoAnswer("ER02")
        try:
            meter.obey(ORDERS[meter.family.relay_words.index(word)])
        except RelayRefused as error:
            raise NoAnswer(str(error)) from error
