"""Lists whose items may be anything: each has its verdict, and none ends in a failure of the server."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.api.claims import listed_claim
from gridwright.api.outages import with_verdicts
from gridwright.jobs.grid.tell_outage import OutageDone, PointTold
from tests.integration.api.small_town import Town

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=130),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
CLAIMS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("meter", "usage_point", "since", "multiplier", "channel", "other"), ANYTHING),
)
ODD: list[object] = [[], {}, None, 1e400, "\ud800", "a\0b", "x" * 10_000, {"a": "\udfff"}, {"\ud800": 1}]


@given(st.lists(ANYTHING, max_size=8))
@settings(max_examples=150, deadline=None)
def test_each_usage_point_that_is_named_has_one_verdict(named: list[object]) -> None:
    done, verdicts = with_verdicts(named, lambda names: OutageDone(0, tuple(map(PointTold, names))))
    assert verdicts.accepted + verdicts.rejected == len(named)
    assert {each.index for each in verdicts.listed}.isdisjoint(
        at for at, one in enumerate(named) if one in [each.usage_point for each in done.points]
    )
    json.dumps(verdicts.to_dict()).encode()


@given(ANYTHING | CLAIMS)
@settings(max_examples=200, deadline=None)
def test_an_item_is_a_claim_or_says_why_it_is_none(item: object) -> None:
    claim = listed_claim(3, item)
    assert claim.line == 3
    if claim.fault is None:
        assert isinstance(item, dict)
        assert (claim.meter, claim.usage_point) == (item["meter"], item["usage_point"])
    else:
        assert claim.fault.where
        assert claim.fault.remedy


@pytest.mark.parametrize("item", ODD)
def test_odd_items_are_refused_by_name_and_cost_no_other(town: Town, item: object) -> None:
    start = {"from": "2026-11-18T10:10:00Z"}
    claims = [item, {"meter": item, "usage_point": "UP-1"}, {"meter": "M", "usage_point": "UP-1", f"{item}"[:9]: 1}]
    for path, body, counted in (
        ("/v1/grid/outages", {"usage_points": [item, "UP-1"], **start}, "rejected"),
        ("/v1/grid/outages/cancel", {"usage_points": [item, "UP-1"], **start}, "rejected"),
        ("/v1/quarantine/claims", {"claims": claims}, "refused"),
    ):
        answer = town.ask("POST", path, content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert answer.status_code == 200, answer.text
        assert answer.json()[counted] == (3 if counted == "refused" else 1)
