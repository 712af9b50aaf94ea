"""Every rule there is, by code, in the order in which rules of intervals run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from gridwright.vee.arrivals import Duplicate, Late
from gridwright.vee.rules.channels import MainCheck, PowerFactor
from gridwright.vee.rules.device import Clock, Ident, Overflow, Status
from gridwright.vee.rules.level import HighDemand, HighLow, LoadFactor
from gridwright.vee.rules.limits import Capacity, Limit, LowLimit, Negative
from gridwright.vee.rules.mad import SpikeMad
from gridwright.vee.rules.network import Balance
from gridwright.vee.rules.presence import Align, Count, Future, Missing, Prolonged, SiblingChannel
from gridwright.vee.rules.registers import RegisterChange, RegisterSteps, SumCheck, TouSum
from gridwright.vee.rules.shape import Step, Stuck, ZeroRun
from gridwright.vee.rules.site import Export, Inactive
from gridwright.vee.rules.spike import Spike
from gridwright.vee.rules.versions import Replacement


class AnyRule(Protocol):
    """A rule of the catalogue, whatever it judges."""

    @property
    def code(self) -> str:
        """Catalogue number and name."""
        ...


# What a value fails is unknown to the rules after it: what the device itself says comes first.
OF_INTERVALS: tuple[Callable[..., Any], ...] = (
    Align,
    Missing,
    Count,
    Future,
    Clock,
    Ident,
    Status,
    Overflow,
    Negative,
    Capacity,
    Limit,
    Spike,
    SpikeMad,
    HighDemand,
    ZeroRun,
    Stuck,
    Step,
    LowLimit,
    PowerFactor,
    Export,
    Inactive,
    MainCheck,
    HighLow,
    LoadFactor,
    SiblingChannel,
    Prolonged,
)
OF_SETS: tuple[Callable[..., Any], ...] = (
    Duplicate,
    Late,
    RegisterSteps,
    SumCheck,
    TouSum,
    RegisterChange,
    Balance,
    Replacement,
)
RULES: dict[str, Callable[..., Any]] = {rule.code: rule for rule in (*OF_INTERVALS, *OF_SETS)}  # type: ignore[attr-defined]
ORDER = {code: place for place, code in enumerate(RULES)}
INTERVAL_CODES = frozenset(rule.code for rule in OF_INTERVALS)  # type: ignore[attr-defined]
