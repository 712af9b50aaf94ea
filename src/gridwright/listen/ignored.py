"""Metrics that mean nothing here: each is told once per birth, and kept once per start, however often it comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gridwright.protocols.sparkplug import Topic

REMEDY = "name it in [line_protocol.fields], or in ignore"
NO_MEANING = "nothing tells what this means"
SHOWN = 200  # characters of a name, or of a value
MOST = 100_000  # names that are remembered as told


@dataclass(frozen=True, slots=True)
class Ignored:
    """A value that is not stored: the metric's name, why, what it was, and what can be done."""

    metric: str
    reason: str
    value: object = ""
    remedy: str = REMEDY

    def to_dict(self) -> dict[str, Any]:
        """Return it as a verdict is told."""
        told = {"status": "ignored", "field": self.metric[:SHOWN], "value": f"{self.value}"[:SHOWN]}
        return told | {"reason": self.reason, "remedy": self.remedy}


class Told:
    """Which of them were told already."""

    def __init__(self) -> None:
        self._since_birth: dict[tuple[str, str, str], set[str]] = {}
        self._ever: set[tuple[str, str, str, str]] = set()

    def news(self, whose: Topic, ignored: Sequence[Ignored]) -> tuple[tuple[Ignored, ...], bool]:
        """Return those that were not told since the last birth, and whether one was never told since the start."""
        self._born(whose)
        if not ignored:
            return (), False
        owner = (whose.group, whose.node, whose.device)
        told = self._since_birth.setdefault(owner, set())
        first = {one.metric[:SHOWN]: one for one in ignored if one.metric[:SHOWN] not in told}
        never = {(*owner, name) for name in first} - self._ever
        if len(self._ever) + len(never) > MOST:  # told once more rather than never again
            self._ever.clear()
            self._since_birth.clear()
            told = self._since_birth.setdefault(owner, set())
        told.update(first)
        self._ever.update(never)
        return tuple(first.values()), bool(never)

    def _born(self, whose: Topic) -> None:
        if whose.kind == "DBIRTH":
            self._since_birth.pop((whose.group, whose.node, whose.device), None)
        elif whose.kind == "NBIRTH":  # its devices have to be born again
            for owner in [one for one in self._since_birth if one[:2] == (whose.group, whose.node)]:
                del self._since_birth[owner]
