"""The virtual meter read by somebody else's client: `iec62056-21` 0.0.2 (BSD-3), where it is installed.

It is no dependency of the project: `pip install iec62056-21==0.0.2` into the environment, and this file has a test.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

from gridwright.domain.device import RelayState
from gridwright.simulate.virtual_meter import MeterServerThread
from tests.integration.drivers.meter_bench import World, meter

if find_spec("iec62056_21"):

    def test_another_reader_reads_the_meter_and_moves_its_relay() -> None:
        client_module = importlib.import_module("iec62056_21.client")
        messages = importlib.import_module("iec62056_21.messages")
        one = meter(World(), serial="12345678")
        with MeterServerThread([one]) as server:

            def client() -> Any:  # noqa: ANN401 - a foreign, untyped client
                made = client_module.Iec6205621Client.with_tcp_transport(
                    address=("127.0.0.1", server.port), device_address="12345678"
                )
                made.connect()
                return made

            reader = client()
            readout = {data.address: (data.value, data.unit) for data in reader.standard_readout().data}
            assert readout["C.1.0"][0] == "12345678"
            register = one.register_wh()
            assert readout["1.8.0"] == (f"{register // 1000:06d}.{register % 1000:03d}", "kWh")
            reader.transport.disconnect()

            writer = client()
            writer.access_programming_mode()
            password = messages.DataSet(address="", value="00000000")
            command = messages.CommandMessage(command="P", command_type=1, data_set=password)
            writer.transport.send(command.to_bytes())
            assert writer._recv_ack() == "\x06"
            writer.write_single_value("96.3.10", "0")
            assert writer.read_single_value("96.3.10").value == "0"
            writer.send_break()
            writer.transport.disconnect()
        assert one.relay is RelayState.DISCONNECTED
