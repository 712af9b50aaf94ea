"""Control: guard → approve → arm → send → confirm → settle, the only path to a relay."""

from __future__ import annotations

from gridwright.control.approval import approve, reject
from gridwright.control.carry_out import Ports, carry_out
from gridwright.control.consequence import Consequence
from gridwright.control.guard import Refusal, Situation, refusals, require_free, require_still_free
from gridwright.control.policy import ControlPolicy

__all__ = [
    "Consequence",
    "ControlPolicy",
    "Ports",
    "Refusal",
    "Situation",
    "approve",
    "carry_out",
    "refusals",
    "reject",
    "require_free",
    "require_still_free",
]
