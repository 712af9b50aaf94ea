"""What differs between two sets of rules as they were resolved: by group, rule and limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ESTIMATION, GROUPS = "estimation", "all groups"
Place = tuple[str, str]  # rule, limit
Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One limit or condition of a group that is another than before; None: it was not there, or is not any more.

    `rule` is empty for a condition of the group, `name` for a rule as a whole.
    """

    group: str
    rule: str
    name: str
    before: Any
    after: Any

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "group": self.group,
            "rule": self.rule,
            "name": self.name,
            "before": self.before,
            "after": self.after,
        }

    def __str__(self) -> str:
        what = " ".join(part for part in (self.rule, self.name) if part) or "the group"
        if self.before is None:
            return f"{what} is new" if self.after is True else f"{what} is new: {_plain(self.after)}"
        if self.after is None:
            return f"{what} is gone"
        return f"{what}: {_plain(self.before)} → {_plain(self.after)}"


def rule_changes(before: Told, after: Told) -> list[RuleChange]:
    """Return what differs, in the order of the groups; of a group that is new or gone, that alone.

    `before`, `after`: sets of rules as a rule book tells them.
    """
    old, new = _groups(before), _groups(after)
    found = [RuleChange(name, "", "", None, after=True) for name in new if name not in old]
    found += [RuleChange(name, "", "", before=True, after=None) for name in old if name not in new]
    for name in new:
        if name in old:
            found += _differences(name, _flat(old[name]), _flat(new[name]))
    kept, now = ([name for name in some if name in old and name in new] for some in (old, new))
    if kept != now:
        found.append(RuleChange(GROUPS, "", "order", kept, now))
    return [*found, *_differences(ESTIMATION, *(dict(_leaves(each.get(ESTIMATION, {}))) for each in (before, after)))]


def _groups(told: Told) -> dict[str, Told]:
    return {str(group["name"]): group for group in told.get("groups", ())}


def _flat(group: Told) -> dict[Place, Any]:
    """Return each condition, rule and limit of a group by its place."""
    flat = {("", name): value for name, value in group.items() if name not in {"name", "rules"}}
    for code, limits in group.get("rules", {}).items():
        flat[code, ""] = True
        flat |= {(code, name): value for name, value in limits.items()}
    return flat


def _leaves(told: Any, path: str = "") -> Iterator[tuple[Place, Any]]:  # noqa: ANN401 - JSON
    """Yield each value of nested objects by its dotted path."""
    if not isinstance(told, Mapping):
        yield ("", path), told
        return
    for name, value in told.items():
        yield from _leaves(value, f"{path}.{name}" if path else str(name))


def _differences(group: str, before: Mapping[Place, Any], after: Mapping[Place, Any]) -> Iterator[RuleChange]:
    whole = {rule for rule, name in before.keys() ^ after.keys() if rule and not name}
    for place in dict.fromkeys([*before, *after]):
        rule, name = place
        old, new = before.get(place), after.get(place)
        # Of a rule that came or went its limits need not be told one by one.
        if old != new and not (rule in whole and name):
            yield RuleChange(group, rule, name, old, new)


def _plain(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "any"
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
