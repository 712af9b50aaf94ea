"""Silent, lying, refusing and broken devices: each ends in the error that says so, never in a wrong reading."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gridwright.domain.control import Command
from gridwright.domain.device import RelayState
from gridwright.domain.errors import ConfigError, DeviceError, DeviceNonsense, DeviceRefused, DeviceSilent
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.drivers import connect, exchange
from gridwright.drivers.event_log import OTHER
from gridwright.drivers.iec62056_21 import MeterSession
from gridwright.protocols.iec62056_21 import Block, Identification, Signal, encode
from gridwright.protocols.iec62056_21 import Command as Telegram
from gridwright.simulate.virtual_meter import GENERIC_RELAY, Faults, MeterServer, RelayLie
from tests.integration.drivers.meter_bench import BERLIN, NOW, SECRET, World, meter, talk, talk_as

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

IMPATIENT_S = 1.0  # how long a test waits for silence; on a busy machine a shorter wait would see it where it is not
NOBODY_S = 0.1  # the same where nobody says a word that could come too late
DAY = Interval(NOW - timedelta(days=1), NOW)


async def read_registers(session: MeterSession) -> float:
    return (await session.registers())[0].value


async def read_day(session: MeterSession) -> float:
    return float((await session.profile(DELIVERED_ENERGY, DAY)).values[0, :-1].sum())


@pytest.mark.parametrize(
    ("faults", "error", "message"),
    [
        (Faults(silent=True), DeviceSilent, "sign-on: does not answer within 1 s"),
        (Faults(answer_delay_s=5), DeviceSilent, "sign-on: does not answer within 1 s"),
        (Faults(garbage=True), DeviceNonsense, "sign-on: no message begins so (byte 0x05) at offset 0"),
        (Faults(bad_checksum_every=1), DeviceNonsense, "block check character"),
        (Faults(wrong_serial="M-6666"), DeviceNonsense, "meter 'M-6666' answers instead of 'M-1042'"),
        (Faults(refuses="ER42 maintenance"), DeviceRefused, "the password is refused: ER42 maintenance"),
        (Faults(dies_after=5), DeviceSilent, "hung up"),
        (Faults(endless=True), DeviceNonsense, "no end within 262,144 bytes"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_each_fault_has_its_error(faults: Faults, error: type[DeviceError], message: str) -> None:
    world = World()
    one = meter(world, faults=faults)
    with pytest.raises(error) as caught:
        talk(one, world, read_registers, timeout_s=IMPATIENT_S if faults.silent or faults.answer_delay_s else 20.0)
    assert message in str(caught.value)
    assert "M-1042 at 127.0.0.1:" in str(caught.value)


def test_now_and_then_a_damaged_block_costs_nothing_but_time() -> None:
    world = World()
    one = meter(world, faults=Faults(bad_checksum_every=3))
    assert talk(one, world, read_day) == talk(meter(world), world, read_day)


def test_after_silence_the_conversation_is_over() -> None:
    world = World()
    one = meter(world)

    async def work(session: MeterSession) -> None:
        one.faults.silent = True
        session._exchange._timeout_s = NOBODY_S
        with pytest.raises(DeviceSilent, match=r"reading 1\.8\.0: does not answer"):
            await session.registers()
        one.faults.silent = False
        with pytest.raises(DeviceSilent, match="the conversation is over"):
            await session.registers()

    talk(one, world, work)


def test_a_relay_command_into_silence_is_sent_once() -> None:
    world = World()
    one = meter(world)
    obeyed = 0
    obey = one.obey

    def counted(order: object) -> None:
        nonlocal obeyed
        obeyed += 1
        one.faults.silent = True
        obey(order)  # type: ignore[arg-type]

    one.obey = counted  # type: ignore[method-assign]

    async def work(session: MeterSession) -> None:
        session._exchange._timeout_s = IMPATIENT_S
        await session.set_relay(Command.DISCONNECT)

    with pytest.raises(DeviceSilent, match=r"writing 96\.3\.10: does not answer"):
        talk(one, world, work)
    assert obeyed == 1
    assert one.relay is RelayState.DISCONNECTED  # it was carried out all the same: only reading back tells


@pytest.mark.parametrize(
    ("lie", "told", "truth"),
    [
        (RelayLie.SAYS_DONE, RelayState.DISCONNECTED, RelayState.CONNECTED),
        (RelayLie.IGNORES, RelayState.CONNECTED, RelayState.CONNECTED),
        (RelayLie.LATE, RelayState.CONNECTED, RelayState.CONNECTED),
        (RelayLie.REPORTS_LATE, RelayState.CONNECTED, RelayState.DISCONNECTED),
    ],
)
def test_what_a_lying_relay_tells(lie: RelayLie, told: RelayState, truth: RelayState) -> None:
    world = World()
    one = meter(world, faults=Faults(relay=lie))

    async def work(session: MeterSession) -> RelayState:
        await session.set_relay(Command.DISCONNECT)
        return await session.relay()

    assert talk(one, world, work) is told
    assert one.relay is truth
    world.now += timedelta(minutes=5)

    async def again(session: MeterSession) -> RelayState:
        return await session.relay()

    late = lie in (RelayLie.LATE, RelayLie.REPORTS_LATE)
    assert talk(one, world, again) is (RelayState.DISCONNECTED if late else told)


def test_a_relay_may_be_refused_alone() -> None:
    world = World()

    async def work(session: MeterSession) -> None:
        await session.set_relay(Command.DISCONNECT)

    with pytest.raises(DeviceRefused, match="ER07 no remote disconnection"):
        talk(meter(world, faults=Faults(refuses_relay="ER07 no remote disconnection")), world, work)


def test_nobody_answers_for_a_serial_that_is_not_there() -> None:
    world = World()
    with pytest.raises(DeviceSilent, match="sign-on: does not answer"):
        talk_as("M-9999", meter(world), world, read_registers, timeout_s=IMPATIENT_S)


def test_whoever_hears_a_call_without_serial_tells_who_it_is() -> None:
    world = World()

    async def work(session: MeterSession) -> str:
        return (await session.identify()).serial

    assert talk_as("", meter(world), world, work) == "M-1042"


def test_a_meter_without_power_is_silent() -> None:
    world = World()
    one = meter(world)
    one.power_out(Interval(NOW, NOW + timedelta(hours=1)))
    with pytest.raises(DeviceSilent):
        talk(one, world, read_registers, timeout_s=NOBODY_S)


def test_a_gateway_that_is_not_there_is_silent() -> None:
    async def main() -> None:
        async with MeterServer([]) as server:
            port = server.port
        async with connect("generic-relay", f"tcp://127.0.0.1:{port}/M-1042", secret=SECRET):
            pass

    with pytest.raises(DeviceSilent, match="no connection") as caught:
        asyncio.run(main())
    assert "check address and gateway" in caught.value.remedy


@pytest.mark.parametrize(
    ("driver", "address", "secret"),
    [
        ("no-such-driver", "tcp://127.0.0.1:1/M", SECRET),
        ("generic-relay", "http://127.0.0.1:1/M", SECRET),
        ("generic-relay", "tcp://127.0.0.1:1/M", b"with(brackets)"),
        ("generic-relay", "tcp://127.0.0.1:1/M", b"\x03"),
        ("generic-relay", "tcp://127.0.0.1:1/M", b""),
    ],
)
def test_what_cannot_be_tried_is_told_before_anything_is_sent(driver: str, address: str, secret: bytes) -> None:
    async def main() -> None:
        async with connect(driver, address, secret=secret):
            pass

    with pytest.raises(ConfigError) as caught:
        asyncio.run(main())
    assert caught.value.remedy
    assert secret.decode("ascii") not in str(caught.value) or not secret


# Gateways that follow a script: for each thing the reader sends, what comes back.

IDENTITY = encode(Identification(GENERIC_RELAY.manufacturer, "5", "VM"))
CHALLENGE = encode(Telegram("P", "0", "()"))
TAKEN = encode(Signal.ACKNOWLEDGE)
GREETING = [IDENTITY, CHALLENGE, TAKEN, encode(Block("C.1.0(M-1042)"))]


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def gateway(serve: Serve) -> AsyncIterator[str]:
    """Open a port that a test answers itself; yields the address to connect to."""
    lines: list[asyncio.StreamWriter] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(writer)
        with suppress(OSError):
            await serve(reader, writer)

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}/M-1042"
    finally:
        server.close()
        for line in lines:
            line.close()
            with suppress(OSError):
                await line.wait_closed()
        await server.wait_closed()


def script(replies: list[bytes], *, then_close: bool = False) -> Serve:
    """Answer the n-th thing that arrives with the n-th reply, then nothing more, or hang up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            if not await reader.read(4096):
                return
            writer.write(reply)
        if then_close:
            await reader.read(4096)
            writer.close()

    return serve


def talk_to_script(
    replies: list[bytes],
    work: Callable[[MeterSession], Awaitable[object]],
    *,
    driver: str = "generic-relay",
    then_close: bool = False,
    timeout_s: float = 20.0,
) -> object:
    async def main() -> object:
        async with (
            gateway(script(replies, then_close=then_close)) as address,
            connect(driver, address, secret=SECRET, timeout_s=timeout_s, clock=World()) as session,
        ):
            return await work(session)

    return asyncio.run(main())


def value(text: str) -> bytes:
    return encode(Block(text))


@pytest.mark.parametrize(
    ("replies", "error", "message"),
    [
        ([value("1.8.0(7)")], DeviceNonsense, "Block while signing on"),
        ([IDENTITY, value("(ER09 locked)")], DeviceRefused, "programming mode refused: ER09 locked"),
        ([IDENTITY, CHALLENGE, encode(Telegram("B", "0"))], DeviceRefused, "password is refused: the device ended"),
        ([IDENTITY, CHALLENGE, TAKEN, value("C.1.0()")], DeviceNonsense, "tells no serial"),
        ([IDENTITY, CHALLENGE, TAKEN, value("C.1.0(M-1)(M-2)")], DeviceNonsense, "2 values at C.1.0"),
        ([IDENTITY, CHALLENGE, TAKEN, value("0.0.0(M-1042)")], DeviceNonsense, "0.0.0 answers for C.1.0"),
        ([IDENTITY + IDENTITY], DeviceNonsense, "Identification while"),
        ([*GREETING, value("1.8.0(-000001.000*kWh)")], DeviceNonsense, "negative"),
        ([*GREETING, value("1.8.0(1234567.000*kWh)")], DeviceNonsense, "more than 6 digits"),
        ([*GREETING, value("1.8.0(000001.000*kvarh)")], DeviceNonsense, "no unit of energy"),
        ([*GREETING, value("1.8.0(banana)")], DeviceNonsense, "no number"),
        ([*GREETING, value("2.8.0(000001.000*kWh)")], DeviceNonsense, "2.8.0 answers for 1.8.0"),
        ([*GREETING, value("1.8.0 000001.000")], DeviceNonsense, "no data set"),
        ([*GREETING, value(f"1.8.0({'1' * 5000})")], DeviceNonsense, "1.8.0 tells 5000 characters"),
        ([*GREETING, value(f"(ER{'!' * 5000})")], DeviceRefused, "reading 1.8.0 refused: ER!!!"),
        ([*GREETING, encode(Telegram("B", "0"))], DeviceRefused, "ended the session"),
        ([*GREETING, value("1.8.0(000001.000*kWh)") * 2], DeviceNonsense, "Block while"),
        ([*GREETING, b"\x021.8.0(0000"], DeviceSilent, "stopped in the middle of its answer"),
        ([*GREETING, TAKEN], DeviceNonsense, "Acknowledged is no answer"),
        ([*GREETING, encode(Signal.REPEAT), b"", b""], DeviceSilent, "does not answer"),
    ],
)
def test_what_strange_devices_end_in(replies: list[bytes], error: type[DeviceError], message: str) -> None:
    with pytest.raises(error) as caught:
        talk_to_script(replies, read_registers, timeout_s=IMPATIENT_S if error is DeviceSilent else 20.0)
    assert message in str(caught.value)
    assert type(caught.value) is error
    assert len(str(caught.value)) < 250


def test_a_value_without_address_or_in_the_long_form_is_taken() -> None:
    replies = [*GREETING, value("1-0:1.8.0*255(000001.500*kWh)"), value("(000000.250*kWh)")]

    async def work(session: MeterSession) -> list[float]:
        return [reading.value for reading in await session.registers()]

    assert talk_to_script(replies, work) == [1500, 250]


def test_bytes_that_come_unasked_are_not_taken_for_the_next_answer() -> None:
    relay = value("96.3.10(1)")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await script([*GREETING, relay])(reader, writer)
        await asyncio.sleep(0.05)
        writer.write(relay)  # late, and nobody asked

    async def main() -> None:
        async with gateway(serve) as address, connect("generic-relay", address, secret=SECRET) as session:
            assert await session.relay() is RelayState.CONNECTED
            while not session._exchange._wire._buffer:  # noqa: ASYNC110 - the driver tells nobody of stray bytes
                await asyncio.sleep(0.01)
            await session.relay()

    with pytest.raises(DeviceNonsense, match="bytes arrived unasked"):
        asyncio.run(asyncio.wait_for(main(), 30))


def test_a_device_that_hangs_up_is_silent() -> None:
    with pytest.raises(DeviceSilent, match="hung up"):
        talk_to_script(GREETING, read_registers, then_close=True)


def test_a_clock_in_another_form_is_nonsense() -> None:
    async def work(session: MeterSession) -> object:
        return await session.clock()

    for text in ("1.0.0(261125120730)", "1.0.0(261325120730W)", "1.0.0(soon)"):
        with pytest.raises(DeviceNonsense, match="clock"):
            talk_to_script([*GREETING, value(text)], work)


def test_a_relay_in_a_state_that_is_none_is_nonsense() -> None:
    async def work(session: MeterSession) -> object:
        return await session.relay()

    with pytest.raises(DeviceNonsense, match=r"relay 96\.3\.10 tells '7', not 0, 1, 2"):
        talk_to_script([*GREETING, value("96.3.10(7)")], work)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("P.01(0261125111500)(00)(30)(1)(1.29.0)(kWh)\r\n(0.1)\r\n", "intervals of 30 min"),
        ("P.01(0261125111600)(00)(15)(1)(1.29.0)(kWh)\r\n(0.1)\r\n", "off its grid"),
        ("P.01(0261125111500)(00)(15)(2)(1.29.0)(kWh)(2.29.0)(kWh)\r\n(0.1)\r\n", "ends within a row"),
        ("P.01(soon)(00)(15)(1)(1.29.0)(kWh)\r\n(0.1)\r\n", "no time"),
        ("P.02(0261125111500)(00)(15)(1)(1.29.0)(kWh)\r\n(0.1)\r\n", "P.02 instead of P.01"),
    ],
)
def test_a_profile_that_cannot_be_true_is_nonsense(text: str, message: str) -> None:
    with pytest.raises(DeviceNonsense, match=message):
        talk_to_script([*GREETING, value(text)], read_day)


def test_a_log_without_the_codes_it_should_hold_is_nonsense_and_unknown_codes_are_kept() -> None:
    async def work(session: MeterSession) -> list[tuple[str, str]]:
        return [(event.type, event.details["code"]) for event in await session.events(DAY)]

    log = "P.98(0261125111500)(00)()(1)(96.11.0)()\r\n(0199)\r\n"
    assert talk_to_script([*GREETING, value(log)], work) == [(OTHER, "199")]
    with pytest.raises(DeviceNonsense, match=r"tells no 96\.11\.0"):
        talk_to_script([*GREETING, value(log.replace("96.11.0", "96.12.0"))], work)


@pytest.mark.parametrize(("drop", "message"), [(b"A", "no end within 96 bytes"), (b"\x00", "sign-on: does not answer")])
def test_a_trickle_without_end_is_given_up(drop: bytes, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PATIENCE", 1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"" if drop == b"\x00" else b"/")
        while await asyncio.sleep(0.005, not writer.is_closing()):
            writer.write(drop)

    async def main() -> None:
        timeout_s = IMPATIENT_S if drop == b"\x00" else 20
        async with (
            gateway(serve) as address,
            connect("generic-relay", address, secret=SECRET, timeout_s=timeout_s),
        ):
            pass

    with pytest.raises(DeviceError, match=message):
        asyncio.run(main())


def test_a_gateway_that_passes_the_parity_bit_is_told_of_and_can_be_used(tmp_path: Path) -> None:
    world = World()
    packaged = resources.files("gridwright.drivers") / "profiles" / "generic-relay.toml"
    own = tmp_path / "behind-8n1.toml"
    own.write_text(packaged.read_text("utf-8").replace("[session]", '[session]\nparity = "even"'), encoding="utf-8")
    one = meter(world)

    async def read(driver: str) -> float:
        async with (
            MeterServer([one], parity=True) as server,
            connect(driver, server.address("M-1042"), secret=SECRET, zone=BERLIN, timeout_s=5) as session,
        ):
            return await read_registers(session)

    assert asyncio.run(read(str(own))) == one.register_wh()
    with pytest.raises(DeviceError):
        asyncio.run(asyncio.wait_for(read("generic-relay"), 60))
