"""Groups of rules as TOML: the packaged ones, and a user's file that goes before them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from importlib.resources import files
from typing import Any, get_args, get_origin, get_type_hints

from gridwright.domain.errors import ConfigError, GridwrightError
from gridwright.domain.finding import Severity
from gridwright.domain.reading_type import Flow, Quantity
from gridwright.domain.usage_point import CLASSES
from gridwright.vee.ladder import Ladders, ladders_from
from gridwright.vee.rules.catalogue import ORDER, RULES, AnyRule
from gridwright.vee.ruleset import ANY_LENGTH, RuleBook, RuleGroup, RuleSet, Source
from gridwright.vee.strict import RuleFile, advice, number, only, words

TOP = ("version", "classes", "group", "estimation")
KEYS = (
    "name",
    "extends",
    "source",
    "customer_class",
    "quantity",
    "flow",
    "interval_min",
    "attributes",
    "capacity_kw",
    "rules",
)
# From where to where a parameter may lie: what looks back, or runs, longer than ten years is a slip of the pen.
TEN_YEARS, DAYS_HOURS = 3_660, 87_840
PARAMETERS = {
    "low": (-math.inf, math.inf),
    "high": (-math.inf, math.inf),
    "sun_below": (-90, 90),
    "days": (1, TEN_YEARS),
    "least_days": (0, TEN_YEARS),
    "window_days": (1, TEN_YEARS),
    "hours": (0, DAYS_HOURS),
    "hours_low": (0, DAYS_HOURS),
    "hours_exporting": (0, DAYS_HOURS),
    "hour": (0, 23),
    "night_from": (0, 24),
    "night_to": (0, 24),
    "share": (0, 1),
    "day_share": (0, 1),
    "quiet_quantile": (0, 1),
    "bits": (0, 64),
}
OF_RULE = {("V06_late", "days"): (0, TEN_YEARS)}
ANY = (0, math.inf)
Fail = Callable[[str, str], ConfigError]


@dataclass(frozen=True, slots=True)
class Place:
    """A group's number in its file, and the customer classes there are."""

    source: RuleFile
    group: int
    classes: tuple[str, ...] = CLASSES

    def fail(self, key: str, message: str, remedy: str) -> ConfigError:
        """Return the error about a key of the group, to be raised."""
        return self.source.fail(f"{key} {message}".strip(), key=key, group=self.group, remedy=remedy)


def read_rule_book(text: str, name: str, *, base: RuleBook | None = None) -> RuleBook:
    """Read a TOML file of rule groups; they go before those of `base` and may extend them.

    What is unknown or impossible is a ConfigError that names file, line, value and remedy.
    """
    source = RuleFile(text, name)
    data = source.read()
    unknown = only(data, TOP)
    if unknown is not None:
        raise source.fail(f"{unknown} is an unknown key", key=unknown, remedy=advice(unknown, TOP))
    version = data.get("version")
    if not isinstance(version, str | int) or isinstance(version, bool):
        raise source.fail(f"version is {version!r}", key="version", remedy='begin the file with version = "1"')
    tables = data.get("group", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise source.fail("group is no list of tables", key="group", remedy="write [[group]] above each group")
    classes = _classes(source, data, base)
    known = {group.rules.name: group for group in (base.groups if base else ())}
    groups: list[RuleGroup] = []
    for index, table in enumerate(tables):
        group = _group(Place(source, index, classes), table, known)
        if any(group.rules.name == other.rules.name for other in groups):
            raise Place(source, index).fail("name", f"{group.rules.name!r} is taken", "give each group its own name")
        known[group.rules.name] = group
        groups.append(group)
    names = {group.rules.name for group in groups}
    kept = tuple(group for group in (base.groups if base else ()) if group.rules.name not in names)
    return RuleBook(str(version), (*groups, *kept), _ladders(source, data, base, classes), classes)


def _classes(source: RuleFile, data: Mapping[str, Any], base: RuleBook | None) -> tuple[str, ...]:
    """Return the customer classes that groups may name: those of Gridwright, and those that the file declares."""
    own = words(data.get("classes", []), None, partial(_fail_key, source, "classes"))
    return tuple(dict.fromkeys((*(base.classes if base else CLASSES), *own)))


def _fail_key(source: RuleFile, key: str, message: str, remedy: str) -> ConfigError:
    return source.fail(f"{key}: {message}", key=key, remedy=remedy)


def _check_classes(names: Iterable[str], classes: Sequence[str], fail: Fail) -> None:
    """Refuse a class that is not known: what is misspelt would fit nobody, without a word."""
    for name in names:
        if name not in classes:
            own = f'declare a class of your own with classes = ["{name}"] at the top of the file'
            raise fail(f"{name!r} is no customer class", f"{advice(name, classes)}; or {own}")


def _ladders(source: RuleFile, data: Mapping[str, Any], base: RuleBook | None, classes: Sequence[str]) -> Ladders:
    """Return the ladders that the file describes, else those of `base`."""
    if "estimation" not in data:
        return base.ladders if base else Ladders()
    table = data["estimation"]
    if not isinstance(table, dict):
        raise source.fail(f"estimation is {table!r}", key="estimation", remedy="write a table [estimation]")
    ladders = ladders_from(table, source.fail_in)
    for name in ladders.classes:
        _check_classes([name], classes, partial(_fail_key, source, f"estimation.class.{name}"))
    return ladders


def _group(place: Place, table: Mapping[str, Any], known: Mapping[str, RuleGroup]) -> RuleGroup:
    unknown = only(table, KEYS)
    if unknown is not None:
        raise place.fail(unknown, "is an unknown key", advice(unknown, KEYS))
    name = table.get("name")
    if not isinstance(name, str) or not name:
        raise place.fail("name", f"is {name!r}", "give the group a name")
    parent = RuleGroup(RuleSet(name, ()))
    if "extends" in table:
        wanted = table["extends"]
        if wanted not in known:
            raise place.fail("extends", f"names {wanted!r}, which is no group above", advice(wanted, known))
        parent = known[wanted]
    rules = _rules(place, table.get("rules", {}), parent.rules)
    capacity = parent.rules.capacity_kw
    if "capacity_kw" in table:
        capacity = number(table["capacity_kw"], partial(place.fail, "capacity_kw"), least=0.001)
    return replace(_conditions(place, table, parent), rules=replace(rules, name=name, capacity_kw=capacity))


def _conditions(place: Place, table: Mapping[str, Any], parent: RuleGroup) -> RuleGroup:
    """Return the parent with the conditions that the table states in place of its own."""

    def listed(key: str, kind: type[Any] | None, own: tuple[Any, ...]) -> tuple[Any, ...]:
        if key not in table:
            return own
        allowed = None if kind is None else [str(member) for member in kind]
        found = words(table[key], allowed, partial(place.fail, key))
        return tuple(kind(one) for one in found) if kind else found

    customer_classes = listed("customer_class", None, parent.customer_classes)
    _check_classes(customer_classes, place.classes, partial(place.fail, "customer_class"))
    return replace(
        parent,
        sources=listed("source", Source, parent.sources),
        customer_classes=customer_classes,
        quantities=listed("quantity", Quantity, parent.quantities),
        flows=listed("flow", Flow, parent.flows),
        minutes=_minutes(place, table["interval_min"]) if "interval_min" in table else parent.minutes,
        attributes=_attributes(place, table["attributes"]) if "attributes" in table else parent.attributes,
    )


def _minutes(place: Place, value: object) -> tuple[float, float]:
    fail = partial(place.fail, "interval_min")
    if not isinstance(value, list) or len(value) not in {1, 2}:
        raise fail(f"is {value!r}", "write it like [5, 60], from the shortest to the longest interval in minutes")
    shortest, *longest = (number(one, fail, least=0) for one in value)
    last = longest[0] if longest else ANY_LENGTH[1]
    if last < shortest:
        raise fail(f"is {value!r}", "put the shortest interval first")
    return shortest, last


def _attributes(place: Place, value: object) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise place.fail("attributes", f"is {value!r}", 'write it like { feeder = "north" }')
    return dict(value)


def _rules(place: Place, table: object, parent: RuleSet) -> RuleSet:
    """Return the parent's rules with those that the table switches on, off or changes."""
    if not isinstance(table, dict):
        raise place.fail("rules", f"is {table!r}", "write [group.rules] above the group's rules")
    chosen = {rule.code: rule for rule in parent.rules}
    severities = dict(parent.severities)
    for code, value in table.items():
        if code not in RULES:
            raise place.fail(code, "is no rule", advice(code, RULES))
        if value is False:
            chosen.pop(code, None)
            severities.pop(code, None)
        elif value is True:
            chosen.setdefault(code, RULES[code]())
        elif isinstance(value, dict):
            chosen[code] = _rule(place, code, value, chosen.get(code))
            if "severity" in value:
                allowed = [str(one) for one in Severity]
                (word,) = words(value["severity"], allowed, partial(place.fail, code))
                severities[code] = Severity(word)
        else:
            raise place.fail(code, f"is {value!r}", "write true, false, or { parameter = value }")
    ordered = sorted(chosen.values(), key=lambda rule: ORDER[rule.code])
    return RuleSet(parent.name, tuple(ordered), parent.capacity_kw, severities)


def _rule(place: Place, code: str, table: Mapping[str, Any], inherited: AnyRule | None) -> AnyRule:
    make = RULES[code]
    hints = get_type_hints(make)
    names = [each.name for each in fields(make)]  # type: ignore[arg-type]
    given: dict[str, object] = {}
    for key, value in table.items():
        if key == "severity":
            continue
        if key not in names:
            raise place.fail(code, f"has no parameter {key}", advice(key, [*names, "severity"]))
        bounds = OF_RULE.get((code, key), PARAMETERS.get(key, ANY))
        given[key] = _parameter(value, hints[key], bounds, partial(_fail_parameter, place, code, key))
    try:
        rule: AnyRule = replace(inherited, **given) if inherited else make(**given)  # type: ignore[type-var]
    except GridwrightError as error:
        raise place.fail(code, error.message, error.remedy) from error
    return rule


def _fail_parameter(place: Place, code: str, key: str, message: str, remedy: str) -> ConfigError:
    return place.fail(code, f"{key} {message}", remedy)


def _parameter(value: object, kind: Any, bounds: tuple[float, float], fail: Fail) -> object:  # noqa: ANN401 - a type hint
    """Return a parameter's value, checked against the type that the rule's field has, and its bounds."""
    if kind is bool:
        if not isinstance(value, bool):
            raise fail(f"is {value!r} but must be true or false", "")
        return value
    if get_origin(kind) is tuple:
        return words(value, None, fail)
    if get_args(kind):
        (word,) = words(value, list(get_args(kind)), fail)
        return word
    found = number(value, fail, least=bounds[0], most=bounds[1])
    if kind is int:
        if found != int(found):
            raise fail(f"is {value!r} but must be a whole number", "")
        return int(found)
    return found


@cache
def packaged() -> RuleBook:
    """Return the groups that come with Gridwright."""
    return read_rule_book(files("gridwright.vee").joinpath("groups.toml").read_text(encoding="utf-8"), "groups.toml")


def rule_book(text: str, name: str) -> RuleBook:
    """Read a user's groups; the packaged ones stand behind them for everything else."""
    return read_rule_book(text, name, base=packaged())


RULES_RESIDENTIAL = packaged().group("residential").rules
RULES_COMMERCIAL = packaged().group("commercial").rules
