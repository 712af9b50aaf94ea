"""The connection to an MQTT 5 broker: messages into an event loop, acknowledgements out of it when their time has come.

paho-mqtt keeps the connection in a thread of its own and comes back by itself. The session outlives the connection and
this process, so the broker keeps what is not acknowledged.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from gridwright.listen import trouble
from gridwright.listen.address import BrokerAddress, tls_of
from gridwright.listen.freshness import PLACE
from gridwright.listen.trouble import Trouble

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

SOONEST_S, LATEST_S = 1, 60  # between two tries to reach the broker, doubled each time
LARGEST_PACKET = 16 << 20
QOS = 1
SERIOUS = 8  # paho's MQTT_LOG_ERR
HERE, GONE = b"here", b"gone"
GONE_AFTER_S = 5  # a listener that is back within this was never gone


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """A message, and the connection and number under which it is acknowledged; `again`: it may have come before.

    `retained`: the broker keeps it for whoever subscribes. `late`: it may have waited at the broker.
    """

    topic: str
    payload: bytes
    qos: int
    number: int
    connection: int
    source: Broker
    again: bool = False
    retained: bool = False
    late: bool = False

    def acknowledge(self) -> None:
        """Tell the broker that it is done."""
        self.source.acknowledge(self)


class Ear(Protocol):
    """Who is told, in the loop, what happens on the connection."""

    def met(self, *, kept: bool) -> None:
        """Hear that the broker has answered; `kept`: it has kept our session, and with it what came meanwhile."""

    def subscribed(self) -> None:
        """Hear that messages come from now on."""

    def arrived(self, message: Arrived) -> None:
        """Take a message; they come in their order."""

    def failed(self, trouble: Trouble) -> None:
        """Hear that the connection is gone, or did not come about."""

    def unmarked(self) -> None:
        """Hear that the broker lets no marks through."""


class Broker:
    """One connection, of which an `ear` is told; `will`: a topic on which it stands whether we are here or gone.

    `marks`: the topic of what we tell ourselves, which a broker may forbid.
    `open`: messages that have come and are not acknowledged.
    """

    def __init__(self, address: BrokerAddress, ear: Ear, will: str = "", marks: str = "") -> None:
        self._address, self._ear, self._will, self._marks = address, ear, will, marks
        self.open, self._marked = 0, -1
        self._loop = asyncio.get_running_loop()
        # Numbers of messages mean something on their own connection only: it changes under the gate.
        self._connection, self._gate = 0, threading.Lock()
        self._met, self._said, self._stopping = False, "", False
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
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.reasoncodes import ReasonCode

        self._stopping = True
        with_will = ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message")
        self._client.disconnect(with_will if self._will else None)
        self._client.loop_stop()

    def stop_and_forget(self) -> None:
        """Disconnect, and let the broker drop the session, in which nothing is left."""
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        forgotten: Any = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
        forgotten.SessionExpiryInterval = 0
        self._stopping = True
        self._client.publish(self._will, b"", qos=1, retain=True)
        self._client.disconnect(properties=forgotten)
        self._client.loop_stop()

    def unsubscribe(self, filters: tuple[str, ...]) -> None:
        """Let no further messages come; those that the session holds still do."""
        self._client.unsubscribe(list(filters))

    def acknowledge(self, message: Arrived) -> None:
        """Tell the broker that a message is done; on a new connection its number may be another message's."""
        self.open -= 1
        with self._gate:
            if message.qos and message.connection == self._connection:
                self._client.ack(message.number, message.qos)

    def publish(self, topic: str, payload: bytes, *, lasting: bool = False) -> None:
        """Send a command, as well as the connection allows; or what the broker keeps for whoever comes later."""
        self._client.publish(topic, payload, qos=QOS if lasting else 0, retain=lasting)

    def mark(self, mark: bytes) -> None:
        """Send a mark to ourselves, behind all that the broker keeps for us."""
        self._marked = self._client.publish(self._marks, mark, qos=QOS).mid

    def _make(self) -> Client:
        from paho.mqtt.client import Client, MQTTv5
        from paho.mqtt.enums import CallbackAPIVersion

        address = self._address
        client = Client(CallbackAPIVersion.VERSION2, address.identifier, protocol=MQTTv5, manual_ack=True)
        client.on_pre_connect, client.on_connect_fail = self._on_pre_connect, self._on_connect_fail
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_subscribe, client.on_message, client.on_log = self._on_subscribe, self._on_message, self._on_log
        client.on_publish, client.suppress_exceptions = self._on_publish, False
        client.reconnect_delay_set(SOONEST_S, LATEST_S)
        if address.username:
            client.username_pw_set(address.username, address.password or None)
        if address.tls:
            client.tls_set_context(tls_of(address))
        if self._will:
            client.will_set(self._will, GONE, qos=1, retain=True, properties=_delayed())
        return client

    @property
    def _filters(self) -> tuple[str, ...]:
        return (*self._address.filters, self._marks) if self._marks else self._address.filters

    def _asked(self) -> Any:  # noqa: ANN401 - paho's properties are made at run time
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._address.session_s
        properties.ReceiveMaximum = self._address.in_flight
        properties.MaximumPacketSize = LARGEST_PACKET
        return properties

    # --- in paho's thread ---------------------------------------------------------------------------------------------

    def _on_pre_connect(self, *_: object) -> None:
        self._met, self._said = False, ""
        self._turn()

    def _on_connect_fail(self, *_: object) -> None:
        self._tell(self._ear.failed, trouble.of_exception(sys.exc_info()[1], self._address))

    def _on_connect(self, client: Client, _data: object, flags: Any, reason: Any, _properties: object) -> None:  # noqa: ANN401 - paho's
        self._met = True
        if reason.is_failure:
            self._tell(self._ear.failed, trouble.of_refusal(str(reason), self._address))
            return
        kept = bool(flags.session_present)
        self._tell(lambda: self._ear.met(kept=kept))
        if self._filters:
            client.subscribe([(one, _wanted(one)) for one in self._filters])

    def _on_subscribe(self, _client: object, _data: object, _number: int, reasons: Any, _properties: object) -> None:  # noqa: ANN401 - paho's
        told = [(name, str(reason)) for name, reason in zip(self._filters, reasons, strict=False) if reason.is_failure]
        refused = [one for one in told if one[0] != self._marks]
        if len(refused) < len(told):
            self._tell(self._ear.unmarked)
        if refused:
            self._tell(self._ear.failed, trouble.of_subscription(refused, self._address))
        else:
            self._tell(self._ear.subscribed)

    def _on_publish(self, _client: object, _data: object, number: int, reason: Any, _properties: object) -> None:  # noqa: ANN401 - paho's
        if number == self._marked and reason.is_failure:
            self._tell(self._ear.unmarked)

    def _on_disconnect(
        self, _client: object, _data: object, _flags: object, reason: object, _properties: object
    ) -> None:
        self._turn()
        if self._stopping:
            return
        self._tell(self._ear.failed, trouble.of_end(str(reason), self._said, self._address, met=self._met))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # MQTT forbids it; a broker may pass it on all the same
            topic = ""
        again, retained = bool(message.dup), bool(message.retain)
        payload, number = bytes(message.payload), message.mid
        self._tell(self._hear, Arrived(topic, payload, message.qos, number, self._connection, self, again, retained))

    def _on_log(self, _client: object, _data: object, level: int, text: str) -> None:
        if level == SERIOUS:
            self._said = text

    def _hear(self, message: Arrived) -> None:
        self.open += 1
        self._ear.arrived(message)

    def _turn(self) -> None:
        """Let the numbers of this connection mean nothing any more."""
        with self._gate:
            self._connection += 1

    def _tell(self, what: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(what, *arguments)


def _wanted(name: str) -> Any:  # noqa: ANN401 - paho has no types for it
    """Ask for retained messages once, when the session begins: they are no news on each return; who is here, always."""
    from paho.mqtt.subscribeoptions import SubscribeOptions

    again = name.startswith(f"{PLACE}/")
    return SubscribeOptions(qos=QOS, retainHandling=0 if again else 1)


def _delayed() -> Any:  # noqa: ANN401 - paho's properties are made at run time
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties: Any = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
    properties.WillDelayInterval = GONE_AFTER_S
    return properties
