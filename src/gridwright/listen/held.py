"""Sparkplug data whose names are not known yet: held back, not acknowledged and in order, until a birth names it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from gridwright.listen.broker import Arrived
from gridwright.protocols.sparkplug import Topic

HOLD_S = 60.0

Whose = tuple[str, str, str]


@dataclass(slots=True)
class Held:
    """What is held back, `most` messages in all: so many that births can still come past them."""

    most: int
    _queues: dict[Whose, deque[tuple[float, Arrived]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def holds(self, topic: Topic) -> bool:
        """Tell whether something of this device waits, behind which the next message must wait too."""
        return whose(topic) in self._queues

    def add(self, topic: Topic, message: Arrived, now: float) -> Arrived | None:
        """Hold a message; return the oldest one where there are too many."""
        self._queues.setdefault(whose(topic), deque()).append((now, message))
        if len(self) <= self.most:
            return None
        return self._first(min(self._queues, key=lambda key: self._queues[key][0][0]))

    def released(self, topic: Topic) -> list[Arrived]:
        """Let go what waits for the birth of this node or device."""
        return [message for _, message in self._queues.pop(whose(topic), ())]

    def of_node(self, topic: Topic) -> list[Arrived]:
        """Let go everything of a node."""
        keys = [key for key in self._queues if key[:2] == (topic.group, topic.node)]
        return [message for key in keys for _, message in self._queues.pop(key)]

    def overdue(self, now: float) -> list[Arrived]:
        """Let go what has waited too long."""
        found = []
        for key in list(self._queues):
            while key in self._queues and now - self._queues[key][0][0] > HOLD_S:
                found.append(self._first(key))
        return found

    def nodes(self) -> Iterator[Topic]:
        """Yield the nodes whose births are waited for."""
        for group, node in dict.fromkeys(key[:2] for key in self._queues):
            yield Topic(group, "NDATA", node)

    def _first(self, key: Whose) -> Arrived:
        _, message = self._queues[key].popleft()
        if not self._queues[key]:
            del self._queues[key]
        return message


def whose(topic: Topic) -> Whose:
    """Return node and device of a topic."""
    return (topic.group, topic.node, topic.device)
