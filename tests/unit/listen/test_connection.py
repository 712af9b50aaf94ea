"""The broker's connection: what it says in trouble, and that an acknowledgement stays on its own connection."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import pytest

from gridwright.domain.errors import ConfigError
from gridwright.listen import trouble
from gridwright.listen.address import BrokerAddress, address_of
from gridwright.listen.broker import Arrived, Broker
from gridwright.listen.trouble import Trouble
from gridwright.settings import MqttSettings

HERE = BrokerAddress("broker.example", 8883, "listener-1", ("a/#", "b/#"), tls=True)


class Ear:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.messages: list[Arrived] = []
        self.heard: list[object] = []

    def met(self, *, kept: bool) -> None:
        self.heard.append(kept)

    def subscribed(self) -> None:
        self.heard.append("subscribed")

    def arrived(self, message: Arrived) -> None:
        self.messages.append(message)

    def failed(self, trouble: Trouble) -> None:
        self.heard.append(trouble)

    def unmarked(self) -> None:
        self.heard.append("unmarked")


class Wire:
    """A client of paho's whose acknowledgements are noted."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []

    def ack(self, number: int, _qos: int) -> None:
        self.acknowledged.append(number)


class Incoming:
    topic, payload, qos, mid, dup, retain = "a/b", b"1", 1, 7, False, False


def test_an_acknowledgement_never_reaches_another_connection() -> None:
    async def play() -> list[int]:
        ear, wire, plain = Ear(), Wire(), BrokerAddress("broker.example")
        broker = Broker(plain, ear)
        broker._client = wire  # type: ignore[assignment]
        for _ in range(2):
            broker._on_message(wire, None, Incoming())  # type: ignore[arg-type]
        await asyncio.sleep(0)
        first, second = ear.messages
        first.acknowledge()
        broker._on_disconnect(None, None, None, "Unspecified error", None)
        second.acknowledge()  # the next connection may know another message by this number
        assert broker.open == 0
        return wire.acknowledged

    assert asyncio.run(play()) == [7]


@pytest.mark.parametrize(
    ("error", "said", "lasts"),
    [
        (socket.gaierror(-2, "Name or service not known"), "nobody knows this host", False),
        (ConnectionRefusedError(111, "Connection refused"), "cannot be reached: connection refused", False),
        (ConnectionResetError(104, "Connection reset by peer"), "breaks the handshake off", False),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "no TLS at this port", True),
        (ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED]"), "wants a client certificate", True),
    ],
)
def test_why_no_connection_came_about(error: Exception, said: str, lasts: bool) -> None:
    told = trouble.of_exception(error, HERE)
    assert said in told.error.message
    assert (told.lasts, told.ends(ever=False), told.ends(ever=True)) == (lasts, lasts, False)
    assert told.error.where == "broker.example:8883"
    assert told.error.remedy


def test_how_a_connection_ends() -> None:
    taken = trouble.of_end("Session taken over", "", HERE, met=True)
    assert (taken.ends(ever=True), "mqtt.client_id" in taken.error.remedy) == (True, True)
    away = trouble.of_end("Server shutting down", "", HERE, met=True)
    assert (away.lasts, away.error.remedy) == (False, "it is tried again")
    plain = trouble.of_end("Unspecified error", "", BrokerAddress("broker.example"), met=False)
    assert "mqtt.tls = true" in plain.error.remedy
    log = "failed to receive on socket: [SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca"
    assert "authority of our certificate" in trouble.of_end("Unspecified error", log, HERE, met=False).error.message


def test_refusals_name_the_setting() -> None:
    assert "mqtt.client_id" in trouble.of_refusal("Client identifier not valid", HERE).error.remedy
    assert not trouble.of_refusal("Server busy", HERE).lasts
    told = trouble.of_subscription([("b/#", "Not authorized")], HERE)
    assert "b/# (Not authorized)" in told.error.message
    assert told.lasts


def test_a_broker_that_forbids_marks_ends_nothing() -> None:
    class Reason:
        def __init__(self, *, failure: bool) -> None:
            self.is_failure = failure

    async def play() -> list[object]:
        ear = Ear()
        broker = Broker(BrokerAddress("broker.example", filters=("a/#",)), ear, marks="marks/now")
        broker._on_subscribe(None, None, 1, [Reason(failure=False), Reason(failure=True)], None)
        broker._marked = 4
        for number in (3, 4):  # 3 is something else that was published
            broker._on_publish(None, None, number, Reason(failure=True), None)
        await asyncio.sleep(0)
        return ear.heard

    assert asyncio.run(play()) == ["unmarked", "subscribed", "unmarked"]


def test_a_subscription_that_is_refused_is_no_connection() -> None:
    class Reason:
        def __init__(self, name: str) -> None:
            self.name, self.is_failure = name, name != "Granted QoS 1"

        def __str__(self) -> str:
            return self.name

    async def play() -> list[Any]:
        ear = Ear()
        broker = Broker(BrokerAddress("broker.example", filters=("a/#", "b/#")), ear)
        for second in ("Granted QoS 1", "Not authorized"):
            broker._on_subscribe(None, None, 1, [Reason("Granted QoS 1"), Reason(second)], None)
        await asyncio.sleep(0)
        return ear.heard

    well, refused = asyncio.run(play())
    assert well == "subscribed"
    assert "b/# (Not authorized)" in refused.error.message


def test_certificates_without_tls_are_told() -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.tls"):
        address_of(MqttSettings(host="broker.example", ca_file="authority.pem"))  # type: ignore[arg-type]
