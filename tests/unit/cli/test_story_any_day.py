"""The story holds on any day: what its checks compare with the truth leaves nothing to chance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gridwright.cli.story import act, arrive, understand
from gridwright.demand_response import baseline_rule, measure
from gridwright.domain.interval import Interval
from gridwright.domain.panel import concat_points
from gridwright.grid import balance
from gridwright.jobs.cascade.trust_readings import Material, SiteDefaults, findings_of, trust_readings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gridwright.cli.story.stage import Stage
    from gridwright.domain.panel import Panel
    from gridwright.simulate.living import LivingTown

# Evenings that are far from the ten before them, a fault on a meter that is read again, a value that only looks wrong,
# the hours the clock repeats and skips, a month's first minute, a Monday morning, a leap day.
MOMENTS = (
    "2028-10-29T09:49",
    "2027-03-29T15:38",
    "2027-10-14T14:37",
    "2027-08-02T08:51",
    "2026-12-14T04:56",
    "2026-10-25T00:30",
    "2026-03-29T01:07",
    "2026-11-30T23:00",
    "2028-02-29T22:59",
)


@pytest.fixture(params=MOMENTS, scope="module")
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The story at its start, on a day of our choice."""
    now = datetime.fromisoformat(request.param).replace(tzinfo=UTC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrive, "clock", lambda: now)
        yield arrive.build(tmp_path_factory.mktemp("story"), lambda _: None)


def stored(stage: Stage) -> Panel:
    """What the store holds once everything has arrived: late and right values, and what the head-end read itself."""
    town, panel = stage.town.town, stage.town.town.panel
    until = (stage.now - panel.start) // panel.interval
    since = (stage.now - arrive.CALLED_SINCE - panel.start) // panel.interval
    again = max((stage.now - timedelta(days=10) - panel.start) // panel.interval, 0)
    values = panel.values.copy()
    values[town.extra.row, town.extra.slot] = town.extra.value
    for row in map(panel.index, arrive.called_points(stage.town)):
        true = town.truth.panel.values[row]
        values[row, since:] = true[since:]
        values[row, again:] = np.where(np.isnan(values[row, again:]), true[again:], values[row, again:])
    return panel.with_values(values).slice(0, until)


def back(town: LivingTown, panel: Panel) -> Panel:
    """What was fed in, over the time of a panel."""
    assert town.town.received is not None
    return town.town.received.between(panel.period)


def trusted(stage: Stage, panel: Panel) -> Any:  # noqa: ANN401 - groups and findings, taken apart at once
    town = stage.town.town
    known = {point.id: point for point in town.points}
    zones = {point.id: point.zone for point in town.points}
    groups, _ = trust_readings(
        Material((panel, back(stage.town, panel)), zones, {}, known), SiteDefaults(), now=stage.now
    )
    return groups


def test_every_fault_that_is_left_is_found(stage: Stage) -> None:
    findings = [
        {
            "usage_point": each.usage_point,
            "code": each.code,
            "period": {"from": each.period.start.isoformat(), "to": each.period.end.isoformat()},
        }
        for each in findings_of(trusted(stage, stored(stage)))
    ]
    faults = understand.to_find(stage)
    assert len(faults) >= len(understand.FOUND_AS) - 2
    assert [fault for fault in faults if not understand.is_found(fault, findings)] == []
    # Somebody is left whose bill rests on nothing but measured values.
    doubted = {fault.usage_point for fault in stage.town.town.faults} | {each["usage_point"] for each in findings}
    assert set(stage.town.town.panel.points) - doubted


def test_the_event_is_measured_as_it_was_given(stage: Stage) -> None:
    rule, measured, names = baseline_rule(act.RULE), 0.0, []
    (response,) = stage.town.responses
    panel = stored(stage)
    for group in trusted(stage, panel.between(Interval(panel.start, stage.event.end))):
        rows = [row for row, point in enumerate(group.points) if point.id in response.points]
        if rows:
            found = measure(group.trusted.rows(rows), stage.event, rule, zone=group.zone)
            names += [found.points[row] for row in found.measurable]
            measured += float(np.nansum((found.base_wh - found.actual_wh)[list(found.measurable)])) / 1000
    given, error = act.true_reduction(stage, names)
    assert given > 0
    assert act.PLAUSIBLE[0] < (measured - error) / given < act.PLAUSIBLE[1]


def test_the_thief_is_named_and_the_loss_is_right(stage: Stage) -> None:
    panel, town = stored(stage), stage.town
    week = Interval(panel.end - timedelta(days=7), panel.end)
    delivered = concat_points([panel.between(week), town.masters.between(week)])
    received = concat_points([back(town, panel).between(week), town.masters_back.between(week)])
    found = balance(town.topology, delivered, received)
    site = next(site for site in town.sites if site.usage_point == town.thefts[0].usage_point)
    assert found.hints[0].node.id == site.transformer
    node, at = found.node(site.transformer), town.network.nodes.index(site.transformer)
    assert node is not None
    assert node.loss_kwh is not None
    span = slice((week.start - panel.start) // panel.interval, (week.end - panel.start) // panel.interval)
    true = (town.network.lost_wh[at, span] + town.network.stolen_wh[at, span]).sum() / 1000
    assert abs(node.loss_kwh - true) <= max(node.uncertainty_kwh, 0.5)
    assert town.outages[0].period.start >= week.start
    assert town.outages[0].period.end <= week.end
