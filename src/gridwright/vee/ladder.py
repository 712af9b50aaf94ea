"""The ladder of estimation methods: which of them serve, in what order and within what limits, by customer class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from typing import Any

from gridwright.domain.errors import GridwrightError, InputError
from gridwright.domain.quality import Method
from gridwright.vee.strict import advice

METHOD_OF = {
    "E01": Method.CHECK_METER,
    "E02": Method.LINEAR,
    "E03": Method.LIKE_DAY,
    "E04": Method.MULTI_WEEK,
    "E05": Method.BLEND,
    "E06": Method.PROFILE,
}
ALWAYS = ("E07", "E08")


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rungs in their order, and the limits of each; E07 (outage) always comes first and E08 (registers) always last.

    `linear_hours`, `linear_hours_closed`: longest straight line without and with registers; up to the `first` ones it
    is preferred to like days, beyond them it stands in where like days are lacking. `like_days` before and
    `like_days_ahead` after the gap, within `back_days` of it; `weeks` before and after, the same weekday.
    `memory_hours`: how long what a gap's ends are off by is remembered (0 = not at all), as exp(-hours / memory).
    `check_tolerance`: how far main and check meter may stand apart (V36); `check_days`: over how many days around.
    `longest_days`: a longer silence, in which nothing was read and no outage is known, is not estimated at all.
    """

    methods: tuple[str, ...] = ("E01", "E02", "E05", "E03", "E04", "E06")
    linear_hours: float = 2.0
    linear_hours_closed: float = 4.0
    linear_first_hours: float = 1.0
    linear_first_hours_closed: float = 2.0
    like_days: int = 10
    like_days_ahead: int = 10
    least_like_days: int = 3
    back_days: int = 90
    weeks: int = 4
    memory_hours: float = 0.75
    check_tolerance: float = 0.015
    check_days: int = 7
    longest_days: int = 92

    @property
    def reach_days(self) -> int:
        """How many days before and behind a gap its estimate may rest on."""
        return max(self.back_days, 7 * self.weeks, self.check_days)


@dataclass(frozen=True, slots=True)
class Ladders:
    """The ladder of each customer class; `default` for every class that has none of its own."""

    default: Ladder = field(default_factory=Ladder)
    classes: Mapping[str, Ladder] = field(default_factory=dict, hash=False)

    def of(self, customer_class: str) -> Ladder:
        """Return the ladder of a customer class."""
        return self.classes.get(customer_class, self.default)

    @property
    def reach_days(self) -> int:
        """How many days before and behind a gap any estimate may rest on."""
        return max(ladder.reach_days for ladder in (self.default, *self.classes.values()))

    @property
    def longest_days(self) -> int:
        """The longest silence that is estimated anywhere."""
        return max(ladder.longest_days for ladder in (self.default, *self.classes.values()))

    def to_dict(self) -> dict[str, Any]:
        """Return the `[estimation]` table with every limit, as `ladders_from` reads it."""
        classes = {name: _table(ladder) for name, ladder in self.classes.items()}
        return _table(self.default) | ({"class": classes} if classes else {})


def _table(ladder: Ladder) -> dict[str, Any]:
    return asdict(ladder) | {"methods": list(ladder.methods)}


MOST_DAYS, MOST_HOURS = 3_660, 87_840  # ten years: more is a slip of the pen
WHOLE = {one.name: one.type == "int" for one in fields(Ladder) if one.name != "methods"}


FailKey = Callable[[str, str, str], GridwrightError]  # key, message and remedy
Fail = Callable[[str, str, str, str], GridwrightError]  # table, key in it (empty: the table), message and remedy
ESTIMATION = "estimation"
TABLE_EACH = "write a table [estimation.class.NAME] each"


def _no_file(table: str, _: str, message: str, remedy: str) -> GridwrightError:
    return InputError(message, where=f"[{table}]", remedy=remedy)


def ladders_from(table: Mapping[str, object], fail: Fail = _no_file) -> Ladders:
    """Read the `[estimation]` table of a rules file: limits for all, and `[estimation.class.NAME]` over them.

    An unknown key, an unknown method, or a limit that is no number from zero on is an error naming it, which `fail`
    makes: whoever has the file knows the line.
    """
    own = {name: value for name, value in table.items() if name != "class"}
    default = _ladder(Ladder(), own, partial(fail, ESTIMATION), ("class",))
    classes = table.get("class", {})
    if not isinstance(classes, Mapping):
        raise fail(ESTIMATION, "class", f"class is {classes!r}", TABLE_EACH)
    return Ladders(default, {name: _class_ladder(default, name, limits, fail) for name, limits in classes.items()})


def _class_ladder(default: Ladder, name: str, limits: object, fail: Fail) -> Ladder:
    if not isinstance(limits, Mapping):
        raise fail(f"{ESTIMATION}.class", name, f"{name} is {limits!r}", TABLE_EACH)
    return _ladder(default, limits, partial(fail, f"{ESTIMATION}.class.{name}"))


def _ladder(base: Ladder, limits: Mapping[str, object], fail: FailKey, more: tuple[str, ...] = ()) -> Ladder:
    changes: dict[str, Any] = {}
    for name, value in limits.items():
        if name == "methods":
            changes[name] = _methods(value, fail)
        elif name in WHOLE:
            changes[name] = _number(name, value, fail)
        else:
            raise fail(name, f"{name!r} is no limit of an estimate", advice(name, ("methods", *WHOLE, *more)))
    return replace(base, **changes)


def _methods(value: object, fail: FailKey) -> tuple[str, ...]:
    names = value if isinstance(value, list | tuple) else [value]
    for name in names:
        if name not in METHOD_OF and name not in ALWAYS:
            raise fail("methods", f"{name!r} is no method of the ladder", advice(name, (*METHOD_OF, *ALWAYS)))
    return tuple(str(name) for name in names if name not in ALWAYS)


def _number(name: str, value: object, fail: FailKey) -> float | int:
    whole = WHOLE[name]
    good = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    kind = "whole number" if whole else "number"
    if not good or not 0 <= value < float("inf"):  # type: ignore[operator]
        raise fail(name, f"{name} is {value!r}", f"write a {kind} from zero on")
    most = MOST_DAYS if whole else MOST_HOURS
    if value > most:  # type: ignore[operator]
        raise fail(name, f"{name} is {value!r}", f"write a {kind} up to {most}")
    return int(value) if whole else float(value)  # type: ignore[call-overload, arg-type]
