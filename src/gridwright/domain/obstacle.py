"""Obstacle: what stands in the way of a bill, so that it is withheld until a person has looked at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gridwright.domain.finding import Severity
from gridwright.domain.interval import Interval


@dataclass(frozen=True, slots=True)
class GateRule:
    """From which severity on a rule's open findings withhold a bill: all of it, or from a share of its time on."""

    severity: Severity = Severity.FAIL
    least_share: float = 0.0


@dataclass(frozen=True, slots=True)
class BillGate:
    """What withholds a bill: open findings by code, and the shares of intervals that may lack a value, or be estimates.

    `estimated_share` None: any.
    """

    rules: Mapping[str, GateRule]
    missing_share: float = 0.0
    estimated_share: float | None = None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One reason why a bill is withheld: the finding with its number, or what is missing (`finding` None).

    `resolve`: the command that takes it away.
    """

    code: str
    severity: Severity
    period: Interval
    message: str
    finding: int | None = None
    resolve: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "code": self.code,
            "severity": str(self.severity),
            "finding": self.finding,
            "from": self.period.start.isoformat(),
            "to": self.period.end.isoformat(),
            "message": self.message,
            "resolve": self.resolve,
        }

    def __str__(self) -> str:
        number = "" if self.finding is None else f" (finding {self.finding})"
        return f"{self.code}{number}: {self.message}"


@dataclass(frozen=True, slots=True)
class Withheld:
    """A usage point's period that was not billed, and why."""

    usage_point: str
    period: Interval
    zone: str
    obstacles: tuple[Obstacle, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "usage_point": self.usage_point,
            "from": self.period.start.isoformat(),
            "to": self.period.end.isoformat(),
            "obstacles": [each.to_dict() for each in self.obstacles],
        }
