"""The rules and their limits for each customer class: data, to be replaced field by field where a utility differs."""

from __future__ import annotations

from dataclasses import dataclass

from gridwright.domain.errors import UsageError
from gridwright.vee.chunk import Group
from gridwright.vee.rules.doubt import Rule
from gridwright.vee.rules.limits import Capacity, Limit, Negative
from gridwright.vee.rules.presence import Align, Count, Future, Missing
from gridwright.vee.rules.shape import Stuck, ZeroRun
from gridwright.vee.rules.spike import Spike

# Bit of each code in the uint32 flag column; V30 and V32 judge sets of intervals and registers.
FLAG_BITS = {
    code: bit
    for bit, code in enumerate(
        (
            "V10_missing",
            "V06_future",
            "V11_negative",
            "V12_capacity",
            "V13_limit",
            "V16_zero_run",
            "V17_stuck",
            "V18_spike",
            "V30_sum",
        )
    )
}
MAX_FLAGS = 32


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in the order in which they run: a value that one rule fails is unknown to the next.

    `flow`: rules for energy, power and volume; `state`: for voltage, current, temperature. `capacity_kw`: what a
    register of a usage point without known capacity may count (V32). `registers`: whether V30 and V32 run.
    """

    name: str
    flow: tuple[Rule, ...]
    state: tuple[Rule, ...]
    capacity_kw: float
    registers: bool = True

    def rules(self, group: Group) -> tuple[Rule, ...]:
        """Return the rules of a group."""
        return self.flow if group is Group.FLOW else self.state


STATE_RULES: tuple[Rule, ...] = (Align(), Missing(), Count(), Future(), Limit(), Stuck(hours=24.0))
RULES_RESIDENTIAL = RuleSet(
    "residential",
    (
        Align(),
        Missing(),
        Count(),
        Future(),
        Negative(),
        Capacity(),
        Spike(),
        ZeroRun(hours=24.0),
        Stuck(),
    ),
    STATE_RULES,
    capacity_kw=100.0,
)
RULES_COMMERCIAL = RuleSet(
    "commercial",
    (
        Align(),
        Missing(),
        Count(),
        Future(),
        Negative(),
        Capacity(),
        Spike(floor_kw=1.0, year=False),
        ZeroRun(hours=4.0),
        Stuck(),
    ),
    STATE_RULES,
    capacity_kw=10_000.0,
)


def rules_of(customer_class: str) -> RuleSet:
    """Return the rules of a customer class: residential ones for homes, commercial ones for every other class."""
    return RULES_RESIDENTIAL if customer_class == "residential" else RULES_COMMERCIAL


def flag_of(code: str) -> int:
    """Return the flag value (one bit) of a finding code; a code without a bit is a UsageError."""
    if code not in FLAG_BITS:
        raise UsageError(f"finding {code!r} marks no intervals", remedy=f"known: {', '.join(FLAG_BITS)}")
    return 1 << FLAG_BITS[code]
