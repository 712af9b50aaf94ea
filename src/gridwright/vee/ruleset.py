"""Which rules run for which readings: a RuleSet is resolved from a group of rules, and a RuleBook holds all groups."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from gridwright.domain.errors import InputError, UsageError
from gridwright.domain.finding import Severity
from gridwright.domain.reading_type import Flow, Quantity, ReadingType
from gridwright.domain.usage_point import CLASSES, UsagePoint
from gridwright.vee.ladder import Ladders
from gridwright.vee.rules.catalogue import INTERVAL_CODES, AnyRule
from gridwright.vee.rules.doubt import Doubt, Rule
from gridwright.vee.strict import advice

# Bit of each code in the uint32 flag column; the other rules judge days, registers or rows as a whole.
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
            "V01_clock",
            "V02_ident",
            "V14_status",
            "V15_overflow",
            "V19_spike_mad",
            "V34_high_demand",
            "V20_step",
            "V13_low_limit",
            "V21_power_factor",
            "V22_export",
            "V23_inactive",
        )
    )
}
MAX_FLAGS = 32
# Warnings about single values: what one of them doubts is rejected when the register contradicts its period.
SUSPECT = (
    "V16_zero_run",
    "V17_stuck",
    "V18_spike",
    "V19_spike_mad",
    "V34_high_demand",
    "V20_step",
)
ANY_LENGTH = (0.0, float("inf"))


class Source(StrEnum):
    """How the values that are judged came about: they have rules of their own."""

    INITIAL = "initial"
    EDIT = "edit"
    ESTIMATION = "estimation"


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules that run, in their order: a value that one rule fails is unknown to the next.

    `capacity_kw`: what a register of a usage point without known capacity may count (V32). `severities`: by code, in
    place of the rule's own.
    """

    name: str
    rules: tuple[AnyRule, ...]
    capacity_kw: float = 100.0
    severities: Mapping[str, Severity] = field(default_factory=dict, hash=False)

    @property
    def of_intervals(self) -> tuple[Rule, ...]:
        """The rules that look at intervals and days."""
        return tuple(rule for rule in self.rules if rule.code in INTERVAL_CODES)  # type: ignore[misc]

    def rule(self, code: str) -> AnyRule | None:
        """Return the rule of a code, None where it is off."""
        return next((rule for rule in self.rules if rule.code == code), None)

    def graded(self, code: str, doubts: Sequence[Doubt]) -> Sequence[Doubt]:
        """Return doubts of a rule in the severity that is set for it, if any is."""
        severity = self.severities.get(code)
        return [replace(doubt, severity=severity) for doubt in doubts] if severity else doubts

    def to_dict(self) -> dict[str, Any]:
        """Return the rules with every limit."""
        return {
            rule.code: {
                **{each.name: _plain(getattr(rule, each.name)) for each in fields(rule)},  # type: ignore[arg-type]
                **({"severity": str(self.severities[rule.code])} if rule.code in self.severities else {}),
            }
            for rule in self.rules
        }


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value if isinstance(value, bool | int | float) else str(value)


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """A rule set and the readings it is for; what is empty fits everything.

    `minutes`: shortest and longest interval. `attributes`: of the usage point, all of them.
    """

    rules: RuleSet
    sources: tuple[Source, ...] = ()
    customer_classes: tuple[str, ...] = ()
    quantities: tuple[Quantity, ...] = ()
    flows: tuple[Flow, ...] = ()
    minutes: tuple[float, float] = ANY_LENGTH
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)

    def fits_readings(self, kind: ReadingType, interval_s: int, source: Source) -> bool:
        """Tell whether the group is for readings of this type, length and source."""
        return (
            (not self.sources or source in self.sources)
            and (not self.quantities or kind.quantity in self.quantities)
            and (not self.flows or kind.flow in self.flows)
            and self.minutes[0] <= interval_s / 60 <= self.minutes[1]
        )

    def fits_point(self, point: UsagePoint | None) -> bool:
        """Tell whether the group is for a usage point; an unknown one is a home without attributes."""
        customer_class = point.customer_class if point else "residential"
        if self.customer_classes and customer_class not in self.customer_classes:
            return False
        own = point.attributes if point else {}
        return all(own.get(name) == value for name, value in self.attributes.items())

    def to_dict(self) -> dict[str, Any]:
        """Return the group as it was resolved."""
        longest = None if self.minutes[1] == ANY_LENGTH[1] else self.minutes[1]
        return {
            "name": self.rules.name,
            "source": [str(one) for one in self.sources],
            "customer_class": list(self.customer_classes),
            "quantity": [str(one) for one in self.quantities],
            "flow": [str(one) for one in self.flows],
            "interval_min": [self.minutes[0], longest],
            "attributes": dict(self.attributes),
            "capacity_kw": self.rules.capacity_kw,
            "rules": self.rules.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All groups, the first that fits counts; `version`: as the file says; `ladders`: how gaps are estimated.

    `classes`: the customer classes that there are, those of Gridwright and those that the file declares.
    """

    version: str
    groups: tuple[RuleGroup, ...]
    ladders: Ladders = field(default_factory=Ladders)
    classes: tuple[str, ...] = CLASSES

    def check_class(self, name: str, where: str = "") -> None:
        """Refuse a customer class that is not known as an InputError: misspelt, it would be judged as another."""
        if name not in self.classes:
            own = f'classes = ["{name}"] at the top of the file of rules declares one of your own'
            remedy = f"{advice(name, self.classes)}; {own}"
            raise InputError(f"{name!r} is no customer class", where=where, remedy=remedy)

    @property
    def digest(self) -> str:
        """SHA-256 over every resolved group and the ladders: two books with one digest judge and estimate alike."""
        return digest_of(self.to_dict())

    def rules_of(
        self, points: Sequence[UsagePoint | None], kind: ReadingType, interval_s: int, source: Source = Source.INITIAL
    ) -> list[RuleSet]:
        """Return each usage point's rules; readings for which there is no group are a UsageError."""
        fitting = [group for group in self.groups if group.fits_readings(kind, interval_s, source)]
        by_class: dict[str, RuleSet] = {}
        plain = not any(group.attributes for group in fitting)
        found = []
        for point in points:
            key = point.customer_class if point else "residential"
            rules = by_class.get(key) if plain else None
            if rules is None:
                rules = next((group.rules for group in fitting if group.fits_point(point)), None)
                if rules is None:
                    raise UsageError(
                        f"no group of rules fits {kind} every {interval_s} s of {key} usage points ({source})",
                        remedy="add a group without conditions at the end of the rules' file",
                    )
                by_class[key] = rules
            found.append(rules)
        return found

    def group(self, name: str) -> RuleGroup:
        """Return the group of a name; an unknown one is a UsageError."""
        for group in self.groups:
            if group.rules.name == name:
                return group
        known = ", ".join(group.rules.name for group in self.groups)
        raise UsageError(f"there is no group of rules {name!r}", remedy=f"known: {known}")

    def to_dict(self) -> dict[str, Any]:
        """Return everything that was resolved."""
        groups = [group.to_dict() for group in self.groups]
        return {"version": self.version, "groups": groups, "estimation": self.ladders.to_dict()}


def flag_of(code: str) -> int:
    """Return the flag value (one bit) of a finding code; a code without a bit is a UsageError."""
    if code not in FLAG_BITS:
        raise UsageError(f"finding {code!r} marks no intervals", remedy=f"known: {', '.join(FLAG_BITS)}")
    return 1 << FLAG_BITS[code]


def digest_of(book: Mapping[str, Any]) -> str:
    """Return the digest of a rule book as its `to_dict` has it; its version is no part of it."""
    resolved = {name: value for name, value in book.items() if name != "version"}
    text = json.dumps(resolved, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
