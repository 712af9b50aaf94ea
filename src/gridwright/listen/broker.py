"""The connection to an MQTT 5 broker: messages into an event loop, acknowledgements out of it when their time has come.

paho-mqtt keeps the connection in a thread of its own and comes back by itself. The session outlives the connection and
this process, so the broker keeps what is not acknowledged.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from gridwright.domain.errors import ConfigError, GridwrightError

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

SOONEST_S, LATEST_S = 1, 60  # between two tries to reach the broker, doubled each time
LARGEST_PACKET = 16 << 20
QOS = 1
CONNECTED, AWAY = "connected", "away"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is, who we are there, and what we subscribe to; `in_flight`: messages not acknowledged yet."""

    host: str
    port: int = 1883
    identifier: str = "gridwright"
    filters: tuple[str, ...] = ()
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    session_s: int = 7 * 86_400
    in_flight: int = 1_000
    keep_alive_s: int = 30


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message, and the connection and number under which it is acknowledged."""

    topic: str
    payload: bytes
    qos: int
    number: int
    connection: int


class Broker:
    """One connection; `arrived` is called in the loop for each message, in the order in which they came."""

    def __init__(
        self,
        address: BrokerAddress,
        arrived: Callable[[Arrived], None],
        connected: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._address, self._arrived, self._connected = address, arrived, connected
        self._loop = asyncio.get_running_loop()
        self._connection = 0
        self.refused: asyncio.Future[GridwrightError] = self._loop.create_future()
        self._client = self._make()

    def start(self) -> None:
        """Begin to connect; a broker that is away is tried again until it is there."""
        address = self._address
        self._client.connect_async(
            address.host,
            address.port,
            keepalive=address.keep_alive_s,
            clean_start=False,
            properties=self._asked(),
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect; the broker keeps the session, and what is not acknowledged."""
        self._client.disconnect()
        self._client.loop_stop()

    def acknowledge(self, message: Arrived) -> None:
        """Tell the broker that a message is done; numbers of an earlier connection mean nothing any more."""
        if message.qos and message.connection == self._connection:
            self._client.ack(message.number, message.qos)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a command, as well as the connection allows."""
        self._client.publish(topic, payload, qos=0)

    def _make(self) -> Client:
        from paho.mqtt.client import Client, MQTTv5
        from paho.mqtt.enums import CallbackAPIVersion

        address = self._address
        client = Client(CallbackAPIVersion.VERSION2, address.identifier, protocol=MQTTv5, manual_ack=True)
        client.on_connect, client.on_disconnect, client.on_message = (
            self._on_connect,
            self._on_disconnect,
            self._on_message,
        )
        client.suppress_exceptions = False
        client.reconnect_delay_set(SOONEST_S, LATEST_S)
        if address.username:
            client.username_pw_set(address.username, address.password or None)
        if address.tls:
            client.tls_set_context(self._tls())
        return client

    def _tls(self) -> ssl.SSLContext:
        address = self._address
        try:
            context = ssl.create_default_context(cafile=address.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if address.client_cert is not None:
                context.load_cert_chain(address.client_cert, address.client_key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"the certificates for the broker cannot be used: {error}",
                where=f"{address.ca_file}, {address.client_cert}, {address.client_key}",
                remedy="give PEM files that this user may read",
            ) from error
        return context

    def _asked(self) -> Any:  # noqa: ANN401 - paho's properties are made at run time
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._address.session_s
        properties.ReceiveMaximum = self._address.in_flight
        properties.MaximumPacketSize = LARGEST_PACKET
        return properties

    # --- in paho's thread ---------------------------------------------------------------------------------------------

    def _on_connect(self, client: Client, _data: object, _flags: object, reason: Any, _properties: object) -> None:  # noqa: ANN401 - paho's reason
        if reason.is_failure:
            error = ConfigError(
                f"the broker refuses us: {reason}", remedy="check mqtt.username, its password and its rights"
            )
            self._tell(self._refuse, error)
            return
        self._connection += 1
        client.subscribe([(one, QOS) for one in self._address.filters])
        self._tell(self._is, CONNECTED)

    def _on_disconnect(self, *_: object) -> None:
        self._tell(self._is, AWAY)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # MQTT forbids it; a broker may pass it on all the same
            topic = ""
        self._tell(self._arrived, Arrived(topic, bytes(message.payload), message.qos, message.mid, self._connection))

    def _is(self, state: str) -> None:
        self._connected(state == CONNECTED)

    def _refuse(self, error: GridwrightError) -> None:
        structlog.get_logger().warning("mqtt", error=error.message, remedy=error.remedy)
        if not self.refused.done():
            self.refused.set_result(error)

    def _tell(self, what: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(what, *arguments)
