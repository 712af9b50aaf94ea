"""Two sets of rules side by side: what is told of groups, rules, limits, their order and the ladders."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gridwright.vee import packaged, rule_book
from gridwright.vee.rule_changes import RuleChange, rule_changes

OWN = """
version = "2"
{estimation}
[[group]]
name = "own"
extends = "residential"
capacity_kw = {capacity}
[group.rules]
{rules}
"""


def told(rules: str, capacity: float = 100.0, estimation: str = "") -> Any:  # noqa: ANN401 - JSON, as it is kept
    book = rule_book(OWN.format(rules=rules, capacity=capacity, estimation=estimation), "a test")
    return json.loads(json.dumps(book.to_dict()))


BEFORE = told("V17_stuck = { hours = 6 }")


@pytest.mark.parametrize(
    ("after", "changes"),
    [
        (BEFORE, []),
        (told("V17_stuck = { hours = 8 }"), ["own: V17_stuck hours: 6 → 8"]),
        (told("V17_stuck = { hours = 6 }", 50.0), ["own: capacity_kw: 100 → 50"]),
        (told("V17_stuck = false"), ["own: V17_stuck is gone"]),
        (told("V17_stuck = { hours = 6, severity = 'fail' }"), ["own: V17_stuck severity is new: fail"]),
        (
            told("V17_stuck = { hours = 6 }", estimation="[estimation]\nlinear_hours = 1"),
            ["estimation: linear_hours: 2 → 1"],
        ),
    ],
)
def test_what_differs(after: Any, changes: list[str]) -> None:  # noqa: ANN401 - JSON
    assert [f"{each.group}: {each}" for each in rule_changes(BEFORE, after)] == changes


def test_a_rule_that_comes_is_told_without_its_limits() -> None:
    assert [str(each) for each in rule_changes(told("V17_stuck = false"), BEFORE)] == ["V17_stuck is new"]


def test_groups_that_come_and_go_and_change_places() -> None:
    plain = json.loads(json.dumps(packaged().to_dict()))
    assert rule_changes(plain, BEFORE)[0] == RuleChange("own", "", "", None, after=True)
    assert str(rule_changes(BEFORE, plain)[0]) == "the group is gone"
    turned = {**BEFORE, "groups": BEFORE["groups"][::-1]}
    (order,) = rule_changes(BEFORE, turned)
    assert (order.name, order.before) == ("order", order.after[::-1])
    assert str(order).startswith("order: own, ")
