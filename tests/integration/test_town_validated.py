"""The validation rules marked against the living town: what is broken is found, and what is sound is left alone."""

from __future__ import annotations

import pytest

from gridwright.domain.interval import parse_period, zone_of
from gridwright.simulate import FaultKind
from gridwright.simulate.living import living_town
from gridwright.simulate.score import score_findings
from gridwright.vee import validate

PERIOD = parse_period("2026-09-01/2026-11-10", zone_of("Europe/Berlin"))
# A repeated record never reaches a panel: ingestion drops it, and tells.
SEEN_EARLIER = {FaultKind.DUPLICATE}


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_the_rules_find_every_fault_and_hardly_doubt_the_sound(seed: int) -> None:
    town = living_town(24, PERIOD, seed)
    scores = score_findings(validate(town.town.panel, town.town.points).findings, town)
    assert {kind for kind in scores.faults if scores.recall(kind) < 1} <= SEEN_EARLIER
    assert len(scores.faults) >= 6
    assert scores.false_alarms_per_meter_day < 0.01
