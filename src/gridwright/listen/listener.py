"""Messages to the store: decoded, written with the next commit, and acknowledged then; poison is told and put away."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from gridwright.api.answer import Refused
from gridwright.api.entrance import Entrance
from gridwright.api.ingest_lines import mapping_of
from gridwright.api.verdicts import Verdicts
from gridwright.api.writer import Writer
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import GridwrightError, StoreError
from gridwright.listen.broker import Arrived, Broker, BrokerAddress
from gridwright.listen.messages import Messages, to_filter
from gridwright.protocols.sparkplug import Topic
from gridwright.protocols.sparkplug.session import NAMESPACE, rebirth_command

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.settings import MqttSettings

LISTENER = Access("mqtt", Role.DEVICE)
PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
REBIRTH_EVERY_S = 10.0  # a node is not asked more often


@dataclass(slots=True)
class ListenFigures:
    """What came of the messages since the start; `waiting` ones are not acknowledged yet."""

    connected: bool = False
    messages: int = 0
    accepted: int = 0
    quarantined: int = 0
    rejected: int = 0
    waiting: int = 0
    rebirths: int = 0


@dataclass(slots=True)
class Listener:
    """Takes the messages of one broker until it is stopped."""

    platform: Platform
    chosen: MqttSettings
    figures: ListenFigures = field(default_factory=ListenFigures)
    up: asyncio.Event = field(default_factory=asyncio.Event)
    _asked: dict[Topic, float] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set; what was acknowledged is on the disk, the rest stays with the broker."""
        writer = Writer(self.platform.store, self.platform.clock)
        writer.start()
        entrance = Entrance(self.platform, writer)
        messages = Messages(
            mapping_of(self.platform.settings.line_protocol, self.platform.settings.server.interval_s),
            self.chosen.topics,
        )
        broker = Broker(
            address_of(self.chosen), lambda one: self._begin(one, messages, (entrance, broker)), self._connected
        )
        broker.start()
        try:
            await stop.wait()
        finally:
            broker.stop()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.to_thread(writer.stop)

    def _connected(self, connected: bool) -> None:  # noqa: FBT001 - a callback's one argument
        self.figures.connected = connected
        if connected:
            self.up.set()
        structlog.get_logger().info("mqtt", connected=connected, broker=f"{self.chosen.host}:{self.chosen.port}")

    def _begin(self, message: Arrived, messages: Messages, context: tuple[Entrance, Broker]) -> None:
        """Decode at once, in order, for births come before data; the writing may wait beside it."""
        self.figures.messages += 1
        if not message.qos and self.figures.waiting >= self.chosen.in_flight:
            self.figures.rejected += 1  # nothing holds back what is sent with QoS 0
            return
        self.figures.waiting += 1
        task = asyncio.get_running_loop().create_task(self._take(message, messages, context))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, message: Arrived, messages: Messages, context: tuple[Entrance, Broker]) -> None:
        entrance, broker = context
        try:
            taken = messages.take(message.topic, message.payload, self.platform.clock())
            if taken.rebirth is not None:
                self._ask(taken.rebirth, broker)
            verdicts = taken.decoded.verdicts
            if taken.decoded.few or taken.decoded.series:
                verdicts = await self._written(entrance, taken.decoded)
            self._count(message, verdicts)
        except asyncio.CancelledError:
            self.figures.waiting -= 1
            raise
        except Exception as error:  # noqa: BLE001 - one message must never end the stream; it is told and put away
            structlog.get_logger().exception("mqtt message failed", topic=message.topic[:120], error=repr(error))
            self.figures.rejected += 1
        self.figures.waiting -= 1
        broker.acknowledge(message)

    async def _written(self, entrance: Entrance, decoded: object) -> Verdicts:
        """Write, and wait as long as the writer is full or the database away: the broker holds the next ones back."""
        attempt = 0
        while True:
            with suppress(Refused, StoreError):
                return await entrance.written(LISTENER, decoded)  # type: ignore[arg-type]
            await asyncio.sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
            attempt += 1

    def _count(self, message: Arrived, verdicts: Verdicts) -> None:
        figures = self.figures
        figures.accepted += verdicts.accepted
        figures.quarantined += verdicts.quarantined
        figures.rejected += verdicts.rejected
        for verdict in verdicts.listed[:3]:
            structlog.get_logger().warning(
                "mqtt verdict",
                topic=message.topic[:120],
                **{k: v for k, v in verdict.to_dict().items() if k != "index"},
            )

    def _ask(self, node: Topic, broker: Broker) -> None:
        """Ask an edge node for its births, not too often."""
        now = time.monotonic()
        if now - self._asked.get(node, float("-inf")) < REBIRTH_EVERY_S:
            return
        self._asked[node] = now
        self.figures.rebirths += 1
        at_ms = int(self.platform.clock().timestamp() * 1000)
        broker.publish(f"{NAMESPACE}/{node.group}/NCMD/{node.node}", rebirth_command(at_ms))


def address_of(chosen: MqttSettings) -> BrokerAddress:
    """Return where to connect and what to subscribe to; Sparkplug is never shared, for its order counts."""
    share = f"$share/{chosen.group}/" if chosen.group else ""
    filters = [f"{share}{to_filter(topic)}" for topic in (*chosen.topics, *chosen.json_topics)]
    filters += [f"{NAMESPACE}/{group}/#" for group in chosen.sparkplug_groups]
    password = chosen.password_file.read_text(encoding="utf-8").strip() if chosen.password_file else ""
    return BrokerAddress(
        chosen.host,
        chosen.port,
        chosen.client_id,
        tuple(filters),
        chosen.username,
        password,
        chosen.tls,
        chosen.ca_file,
        chosen.client_cert,
        chosen.client_key,
        chosen.session_s,
        chosen.in_flight,
    )


__all__ = ["GridwrightError", "ListenFigures", "Listener", "address_of"]
