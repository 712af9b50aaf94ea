"""The other listeners of a group: the broker tells when one is gone, and another takes what is left in its session.

A broker goes on giving a listener that is gone its share, and drops all of it when the session expires. Whoever notices
comes to the broker by the name of the one that is gone, lets no more come, stores what waits, and ends that session.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from gridwright.listen.address import BrokerAddress
from gridwright.listen.broker import GONE, HERE, Arrived, Broker
from gridwright.listen.freshness import PLACE
from gridwright.listen.trouble import Trouble

QUIET_S = 3.0  # without a message, and with nothing left to acknowledge, a session is empty

Take = Callable[[Arrived], None]


class Inherited:
    """The session of a listener that is gone, until it is empty, or its owner is back."""

    def __init__(self, address: BrokerAddress, will: str, take: Take) -> None:
        self.ended = False
        self._filters, self._take = address.filters, take
        self._last = time.monotonic()
        self._broker = Broker(replace(address, filters=()), self, will)
        self._broker.start()

    def met(self, *, kept: bool) -> None:
        """Let no more come; a session that the broker has not kept is empty at once."""
        self._last = time.monotonic() if kept else float("-inf")
        self._broker.unsubscribe(self._filters)

    def subscribed(self) -> None:
        """Hear that messages come: never, for nothing is subscribed to."""

    def arrived(self, message: Arrived) -> None:
        """Take a message that was left; what listeners tell each other is heard under our own name."""
        if message.topic.startswith(f"{PLACE}/"):
            message.acknowledge()
            return
        self._last = time.monotonic()
        self._take(replace(message, late=True))  # it waited at the broker

    def unmarked(self) -> None:
        """Hear that no marks come: none are sent here, for all that comes has waited."""

    def failed(self, trouble: Trouble) -> None:
        """Leave the session to its owner, or to another listener, who has come; else it is tried again."""
        self._last = time.monotonic()
        if trouble.lasts and not self.ended:
            if not trouble.taken_over:
                error = trouble.error
                structlog.get_logger().warning("its messages cannot be taken", error=error.message, remedy=error.remedy)
            self.ended = True
            self._broker.stop()

    def look(self) -> None:
        """End the session when nothing is left in it."""
        if not self.ended and not self._broker.open and time.monotonic() - self._last > QUIET_S:
            self.ended = True
            self._broker.stop_and_forget()

    def stop(self) -> None:
        """Leave it as it is, for another."""
        if not self.ended:
            self.ended = True
            self._broker.stop()


class Peers:
    """Tells the group that we are here, and hears who is gone."""

    def __init__(self, address: BrokerAddress, group: str, take: Take) -> None:
        share = f"$share/{group}/"
        self._address, self._take = address, take
        self._shared = tuple(one for one in address.filters if one.startswith(share))
        self._place = f"{PLACE}/{group}"
        self._inherited: dict[str, Inherited] = {}

    @property
    def filter(self) -> str:
        """The topics on which listeners tell whether they are here."""
        return f"{self._place}/+"

    @property
    def will(self) -> str:
        """The topic on which it stands whether we are here."""
        return f"{self._place}/{self._address.identifier}"

    def here(self, broker: Broker) -> None:
        """Say that we are here."""
        broker.publish(self.will, HERE, lasting=True)

    def heard(self, message: Arrived) -> bool:
        """Take a message of the group about itself; False where it is another."""
        if not message.topic.startswith(f"{self._place}/"):
            return False
        name = message.topic.removeprefix(f"{self._place}/")
        if message.payload == GONE and name != self._address.identifier and name not in self._inherited:
            structlog.get_logger().warning("a listener is gone, its messages are taken", listener=name)
            theirs = replace(self._address, identifier=name, filters=self._shared)
            self._inherited[name] = Inherited(theirs, f"{self._place}/{name}", self._take)
        message.acknowledge()
        return True

    def look(self) -> None:
        """End what is done."""
        for name, session in list(self._inherited.items()):
            session.look()
            if session.ended:
                del self._inherited[name]

    def stop(self) -> None:
        """Leave what is not done to the others."""
        for session in self._inherited.values():
            session.stop()
