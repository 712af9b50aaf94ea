"""Messages to the store: decoded, written with the next commit, and acknowledged then; poison is told and put away."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from gridwright.api.answer import Answer, Refused
from gridwright.api.entrance import Entrance
from gridwright.api.ingest.lines import mapping_of
from gridwright.api.ingest.meaning import Wrong
from gridwright.api.ingest.verdicts import Fault, Verdicts
from gridwright.api.write.patience import is_refusal
from gridwright.api.write.writer import Writer
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import StoreError
from gridwright.jobs.upkeep.listener_status import EVERY_S, listener_folder, write_status
from gridwright.listen.address import address_of
from gridwright.listen.births import Births
from gridwright.listen.broker import Arrived, Broker
from gridwright.listen.figures import ListenFigures, status_of
from gridwright.listen.freshness import Freshness
from gridwright.listen.held import Held
from gridwright.listen.ignored import REMEDY, Ignored, Told
from gridwright.listen.lines import made
from gridwright.listen.messages import Messages, Taken
from gridwright.listen.news import News
from gridwright.listen.outages import Outages
from gridwright.listen.peers import Peers
from gridwright.listen.rejected import Rejected
from gridwright.listen.turns import Turns
from gridwright.protocols.sparkplug import Delivery, Topic
from gridwright.protocols.sparkplug.session import NAMESPACE, Age, rebirth_command

if TYPE_CHECKING:
    from gridwright.api.ingest.table import Decoded
    from gridwright.app import Platform
    from gridwright.listen.trouble import Trouble
    from gridwright.settings import MqttSettings

LISTENER = Access("mqtt", Role.DEVICE)
PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
NAMED = 20  # metrics in a line of the log
REBIRTH_EVERY_S = 10.0  # a node is not asked more often
OURS = Fault("message", "a fault of Gridwright's own, which the log shows", "please report it")


def folder_of(platform: Platform) -> Path:
    """Return where the listener of the settings keeps what is its own."""
    from gridwright.app.care import listeners_place

    return listener_folder(listeners_place(platform), platform.settings.mqtt.client_id)


class Listener:
    """Takes the messages of one broker until it is stopped; made in the loop in which it runs."""

    def __init__(self, platform: Platform, chosen: MqttSettings) -> None:
        from gridwright.app.live import vault

        self.figures, self.up = ListenFigures(), asyncio.Event()
        self._platform, self._chosen, self._folder = platform, chosen, made(folder_of(platform))
        # It tries a group until the database is back: what arrived later must not be written before it.
        journal = platform.settings.server.journal
        self._writer = Writer(platform.store, platform.clock, patience_s=math.inf, journal=journal)
        self._entrance = Entrance(platform, self._writer)
        self._outages = Outages(platform, chosen.outage_topics, PAUSES_S)
        mapping = mapping_of(platform.settings.line_protocol, platform.settings.server.interval_s)
        self._messages = Messages(mapping, chosen.topics)
        self._births, self._rejected = Births(self._folder), Rejected(self._folder, vault(platform))
        for birth in self._births.known:
            self._messages.sparkplug.restore(birth)
        self._messages.sparkplug.doubt()
        self._held = Held(max(chosen.in_flight // 2, 1))
        self._told, self._news = Told(), News()
        self._kept = False  # whether the broker kept what came while we were away
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns, self._numbers = Turns(), count()
        self._asked: dict[Topic, float] = {}
        self._under_way: dict[asyncio.Task[None], float] = {}
        address = address_of(chosen)
        self._peers = Peers(address, chosen.group, self._arrived) if chosen.group else None
        if self._peers is not None:
            address = replace(address, filters=(*address.filters, self._peers.filter))
        self._fresh = Freshness(address.identifier)
        self._broker = Broker(address, self, self._peers.will if self._peers else "", self._fresh.topic)

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set; what was acknowledged is on the disk, the rest stays with the broker.

        The error of a broker that will not have us, before we were ever connected, is raised.
        """
        self._writer.start()
        self._broker.start()
        watching = asyncio.get_running_loop().create_task(self._watch())
        stopped = asyncio.get_running_loop().create_task(stop.wait())
        try:
            ends: set[asyncio.Future[Any]] = {stopped, self._failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                self._failed.result()
        finally:
            self._broker.stop()
            if self._peers is not None:
                self._peers.stop()
            tasks = [watching, stopped, *self._under_way]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(self._writer.stop)
            self._tell_status(stopped=True)

    # --- what the broker's connection tells ---------------------------------------------------------------------------

    def met(self, *, kept: bool) -> None:
        """Be sure of births only as far as the broker kept everything."""
        self._kept = kept
        self._fresh.met(kept=kept)
        self._messages.sparkplug.doubt()

    def subscribed(self) -> None:
        """Say that messages come."""
        self.figures.connected, self.figures.problem = True, ""
        self.up.set()
        self._mark()
        if self._peers is not None:
            self._peers.here(self._broker)
        structlog.get_logger().info("mqtt", connected=True, broker=f"{self._chosen.host}:{self._chosen.port}")

    def failed(self, trouble: Trouble) -> None:
        """Say what is in the way; what no waiting mends ends the listener, unless it has been connected before."""
        error, self.figures.connected = trouble.error, False
        self.figures.problem = str(error)
        structlog.get_logger().warning("mqtt", error=error.message, broker=error.where, remedy=error.remedy)
        if trouble.ends(ever=self.up.is_set()) and not self._failed.done():
            self._failed.set_exception(error)

    def arrived(self, message: Arrived) -> None:
        """Take a message, or hear of the other listeners of the group."""
        if self._peers is not None and self._peers.heard(message):
            return
        if self._fresh.heard(message):
            message.acknowledge()
            return
        self._arrived(replace(message, late=self._fresh.is_late()))

    def unmarked(self) -> None:
        """Do without marks, which the broker forbids."""
        self._fresh.refused()

    def _arrived(self, message: Arrived) -> None:
        """Decode at once, in order, for births come before data; the writing may wait beside it."""
        self.figures.messages += 1
        self.figures.last_message = self._platform.clock()
        if not message.qos and len(self._under_way) >= self._chosen.in_flight:
            self.figures.rejected += 1  # nothing holds back what is sent with QoS 0
            message.acknowledge()
            return
        age = Age(late=message.late, retained=message.retained)
        self._take(message, Delivery(again=message.again, kept=self._kept, reliable=bool(message.qos), age=age))

    # --- one message --------------------------------------------------------------------------------------------------

    def _take(self, message: Arrived, delivery: Delivery, *, may_wait: bool = True) -> None:
        number = self._outages.next_of(message.topic)
        if number is not None:
            self._start(self._tell_outage(message, number))
            return
        try:
            taken = self._messages.take(message.topic, message.payload, self._platform.clock(), delivery)
        except Exception as error:  # noqa: BLE001 - one message must never end the stream; it is told and put away
            structlog.get_logger().exception("mqtt message failed", topic=message.topic[:120], error=repr(error))
            self._start(self._refuse(message, OURS))
            return
        if taken.rebirth is not None:
            self._ask(taken.rebirth)
        if may_wait and self._waits(message, taken):
            return
        self._start(self._finish(message, taken, self._note_ignored(message, taken), next(self._numbers)))
        if taken.whose is not None and taken.whose.kind in {"NBIRTH", "DBIRTH"}:
            self._go_on(self._held.released(taken.whose), may_wait=True)
        elif taken.died and taken.whose is not None:
            self._go_on(self._held.of_node(taken.whose), may_wait=False)

    def _waits(self, message: Arrived, taken: Taken) -> bool:
        """Hold a message back whose names are not known, and what comes behind it, so that the order stays."""
        whose = taken.whose
        if whose is None or whose.kind not in {"NDATA", "DDATA"} or not (taken.unnamed or self._held.holds(whose)):
            return False
        pushed_out = self._held.add(whose, message, time.monotonic())
        self._go_on([] if pushed_out is None else [pushed_out], may_wait=False)
        return True

    def _go_on(self, messages: list[Arrived], *, may_wait: bool) -> None:
        """Take messages that were held back: by the birth that has come, or as far as they are understood without."""
        for message in messages:
            age = Age(late=message.late, retained=message.retained)
            self._take(message, Delivery(again=True, kept=False, waited=may_wait, age=age), may_wait=may_wait)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way[task] = time.monotonic()
        task.add_done_callback(lambda done: self._under_way.pop(done, None))

    async def _finish(self, message: Arrived, taken: Taken, ignored: tuple[Ignored, ...], number: int) -> None:
        """Write, by `number` in order, keep what must outlive us, and acknowledge; `ignored` was never told before."""
        verdicts = taken.decoded.verdicts
        try:
            if taken.decoded.few or taken.decoded.series:
                verdicts = await self._written(taken.decoded, number)
            if taken.birth is not None:
                await self._births.keep(taken.birth)
        except StoreError as error:
            structlog.get_logger().warning("mqtt message refused", topic=message.topic[:120], error=str(error))
            await self._refuse(message, Fault("message", error.message, error.remedy))
            return
        except Exception as error:  # noqa: BLE001 - as above
            structlog.get_logger().exception("mqtt message failed", topic=message.topic[:120], error=repr(error))
            await self._refuse(message, OURS)
            return
        self._count(message, verdicts)
        if verdicts.rejected or ignored:
            await self._rejected.keep(message, verdicts, self._platform.clock(), ignored)
        message.acknowledge()

    async def _tell_outage(self, message: Arrived, number: int) -> None:
        """Keep what is told of an outage, and acknowledge it then."""
        try:
            verdicts = await self._outages.keep(message.payload, number)
        except Wrong as wrong:
            structlog.get_logger().warning(
                "mqtt outage refused", topic=message.topic[:120], reason=wrong.fault.reason, remedy=wrong.fault.remedy
            )
            await self._refuse(message, wrong.fault)
        except StoreError as error:
            structlog.get_logger().warning("mqtt message refused", topic=message.topic[:120], error=str(error))
            await self._refuse(message, Fault("message", error.message, error.remedy))
        except Exception as error:  # noqa: BLE001 - one message must never end the stream; it is told and put away
            structlog.get_logger().exception("mqtt message failed", topic=message.topic[:120], error=repr(error))
            await self._refuse(message, OURS)
        else:
            await self._told_outage(message, verdicts)

    async def _told_outage(self, message: Arrived, verdicts: Verdicts) -> None:
        """Count and tell what became of the usage points of an outage, put refused ones aside, and acknowledge."""
        self.figures.outages += bool(verdicts.accepted or verdicts.quarantined)
        self.figures.rejected += verdicts.rejected
        for each in verdicts.listed[:3]:
            told = {"value": each.value, "reason": each.fault.reason, "remedy": each.fault.remedy}
            structlog.get_logger().warning(f"mqtt outage {each.status}", topic=message.topic[:120], **told)
        if verdicts.rejected:
            await self._rejected.keep(message, verdicts, self._platform.clock())
        message.acknowledge()

    async def _refuse(self, message: Arrived, fault: Fault) -> None:
        verdicts = Verdicts()
        verdicts.reject((0, 1), fault)
        self.figures.rejected += 1
        await self._rejected.keep(message, verdicts, self._platform.clock())
        message.acknowledge()

    async def _written(self, decoded: Decoded, number: int) -> Verdicts:
        """Write, and wait as long as the writer is full or the database away: the broker holds the next ones back.

        StoreError where the database would refuse it for ever.
        """
        waiting = await self._queued(decoded, number, 0.0)
        for attempt in count():
            try:
                await waiting
            except StoreError as error:
                if is_refusal(error):
                    raise
                waiting = await self._queued(decoded, number, PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
            else:
                break
        return decoded.verdicts

    async def _queued(self, decoded: Decoded, number: int, pause_s: float) -> Awaitable[Answer]:
        """Queue behind all that arrived before: of two values for one instant the last one counts."""
        async with self._turns.of(number):
            for attempt in count():
                await asyncio.sleep(pause_s)
                with suppress(Refused):
                    try:
                        return await self._entrance.queued(LISTENER, decoded)
                    except StoreError as error:
                        if is_refusal(error):
                            raise
                pause_s = PAUSES_S[min(attempt, len(PAUSES_S) - 1)]
        raise AssertionError("unreachable")

    def _count(self, message: Arrived, verdicts: Verdicts) -> None:
        figures = self.figures
        figures.accepted += verdicts.accepted
        figures.set_aside += verdicts.set_aside
        figures.doubted += verdicts.doubted
        figures.quarantined += verdicts.quarantined
        figures.rejected += verdicts.rejected
        for verdict in [one for one in verdicts.listed[:3] if self._news.of(message.topic, one)]:
            structlog.get_logger().warning(
                "mqtt verdict",
                topic=message.topic[:120],
                **{k: v for k, v in verdict.to_dict().items() if k != "index"},
            )

    def _note_ignored(self, message: Arrived, taken: Taken) -> tuple[Ignored, ...]:
        """Count what means nothing here, say so once per birth, and return it where it was never said before."""
        if taken.whose is None:
            return ()
        self.figures.ignored += len(taken.ignored)
        news, first = self._told.news(taken.whose, taken.ignored)
        if news:
            named = [one.metric[:120] for one in news[:NAMED]]
            structlog.get_logger().warning(
                "mqtt metrics ignored", topic=message.topic[:120], count=len(news), metrics=named, remedy=REMEDY
            )
        return news if first else ()

    # --- beside the messages ------------------------------------------------------------------------------------------

    def _ask(self, node: Topic) -> None:
        """Ask an edge node for its births, not too often."""
        now, whose = time.monotonic(), Topic(node.group, "NCMD", node.node)
        if now - self._asked.get(whose, float("-inf")) < REBIRTH_EVERY_S:
            return
        self._asked[whose] = now
        self.figures.rebirths += 1
        at_ms = int(self._platform.clock().timestamp() * 1000)
        self._broker.publish(f"{NAMESPACE}/{node.group}/NCMD/{node.node}", rebirth_command(at_ms))

    def _mark(self) -> None:
        if (mark := self._fresh.due()) is not None:
            self._broker.mark(mark)

    async def _watch(self) -> None:
        """Every second ask again for births that are waited for, give up what waited too long, and tell how it is."""
        while True:
            for node in self._held.nodes():
                self._ask(node)
            self._go_on(self._held.overdue(time.monotonic()), may_wait=False)
            if self._peers is not None:
                self._peers.look()
            if self.figures.connected:
                self._mark()
            self._tell_status()
            await asyncio.sleep(EVERY_S)

    def _tell_status(self, *, stopped: bool = False) -> None:
        figures, since = self.figures, min(self._under_way.values(), default=None)
        figures.connected = figures.connected and not stopped
        figures.waiting, figures.held = len(self._under_way) + len(self._held), len(self._held)
        figures.lag_s = 0.0 if since is None else round(time.monotonic() - since, 3)
        write_status(self._folder, status_of(figures, self._chosen, self._platform.clock(), stopped=stopped))
