"""Balances worked by hand, and their laws: parts sum to the whole, and what is missing is never zero."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, RECEIVED_ENERGY
from gridwright.domain.topology import Connection, Node, NodeKind, Topology
from gridwright.grid import GridBalance, NodeBalance, Plausibility, balance, coarsen, common_interval, together

START = datetime(2025, 3, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVER = Interval(START - timedelta(days=900), START + timedelta(days=900))
NODES = (
    Node("F1", NodeKind.FEEDER, meter="MF"),
    Node("T1", NodeKind.TRANSFORMER, "F1", meter="M1"),
    Node("T2", NodeKind.TRANSFORMER, "F1", meter="M2"),
)
HOMES = {"A": "T1", "B": "T1", "C": "T2"}


def a_topology(**homes: str) -> Topology:
    return Topology(NODES, tuple(Connection(point, node, EVER) for point, node in (homes or HOMES).items()))


def a_panel(rows: dict[str, list[float]], *, received: bool = False) -> Panel:
    kind = RECEIVED_ENERGY if received else DELIVERED_ENERGY
    return Panel(tuple(rows), START, HOUR, np.array(list(rows.values()), float), reading_type=kind)


def by_hand() -> dict[str, list[float]]:
    """Four hours. T1 loses 20 of 1020 in each; T2 loses 10 of 510 in each; the feeder 60 of 1560 in each."""
    return {
        "A": [600] * 4,
        "B": [400] * 4,
        "C": [500] * 4,
        "M1": [1020] * 4,
        "M2": [510] * 4,
        "MF": [1560] * 4,
    }


def of(found: GridBalance, name: str) -> NodeBalance:
    each = found.node(name)
    assert each is not None
    return each


def test_by_hand() -> None:
    found = balance(a_topology(), a_panel(by_hand()))
    first, feeder = of(found, "T1"), of(found, "F1")
    assert (first.supplied_kwh, first.metered_kwh, first.loss_kwh) == (4.08, 4.0, 0.08)
    assert first.loss_share == pytest.approx(80 / 4080)
    assert (feeder.supplied_kwh, feeder.metered_kwh, feeder.loss_kwh) == (6.24, 6.0, 0.24)
    assert {each.plausibility for each in found.nodes} == {Plausibility.PLAUSIBLE}
    assert first.inputs.to_dict() == {
        "usage_points": 2,
        "measured": 1.0,
        "estimated": 0.0,
        "missing": 0.0,
        "compared": 1.0,
        "silent": [],
        "switched": [],
    }
    assert found.unconnected == ()


def test_what_customers_feed_in_flows_back() -> None:
    # A feeds 1000 Wh in the first hour: B takes 400 of it, 590 go up through the master meter, 10 are lost.
    rows = by_hand() | {"A": [0, 600, 600, 600], "M1": [0, 1020, 1020, 1020]}
    fed_in = a_panel({"A": [1000, 0, 0, 0], "M1": [590, 0, 0, 0]}, received=True)
    first = of(balance(a_topology(), a_panel(rows), fed_in), "T1")
    assert first.supplied_kwh == pytest.approx(3 * 1.02 - 0.59)
    assert first.metered_kwh == pytest.approx(0.4 - 1.0 + 3 * 1.0)
    assert first.loss_kwh == pytest.approx(0.01 + 3 * 0.02)
    assert first.put_in_kwh == pytest.approx(1.0 + 3 * 1.02)
    assert first.loss_share == pytest.approx(0.07 / 4.06)


def test_switching_counts_each_part_where_it_was() -> None:
    middle = START + 2 * HOUR
    homes = (
        Connection("A", "T1", EVER),
        Connection("B", "T1", Interval(EVER.start, middle)),
        Connection("B", "T2", Interval(middle, EVER.end)),
        Connection("C", "T2", EVER),
    )
    rows = by_hand() | {"M1": [1020, 1020, 612, 612], "M2": [510, 510, 918, 918]}
    found = balance(Topology(NODES, homes), a_panel(rows))
    assert (of(found, "T1").metered_kwh, of(found, "T2").metered_kwh) == (3.2, 2.8)
    assert of(found, "F1").metered_kwh == 6.0
    assert of(found, "T1").loss_kwh == pytest.approx(0.064)
    assert of(found, "T1").inputs.switched == ("B",)
    assert "1 usage points are connected for a part of the period only" in of(found, "T1").reasons


def test_a_gap_is_filled_by_the_neighbours_and_told() -> None:
    rows = by_hand() | {"B": [400, np.nan, 400, 400], "A": [600, 900, 600, 600], "M1": [1020, 1520, 1020, 1020]}
    first = of(balance(a_topology(), a_panel(rows)), "T1")
    # B's mean is 400; in the second hour A uses 900 where its own mean is 675: B is taken for 400 × 900/675.
    assert first.metered_kwh == pytest.approx(3.9 + 0.4 * 900 / 675, abs=0.0006)
    assert first.inputs.missing == pytest.approx(1 / 8)
    assert "12.5% of the values are missing and filled from the neighbours" in first.reasons
    whole = of(balance(a_topology(), a_panel(by_hand())), "T1")
    assert first.uncertainty_kwh > whole.uncertainty_kwh + 0.25


def test_a_meter_without_any_reading_is_no_zero_and_hides_no_theft() -> None:
    rows = {name: values for name, values in by_hand().items() if name != "B"}
    first = of(balance(a_topology(), a_panel(rows)), "T1")
    assert first.inputs.silent == ("B",)
    assert first.metered_kwh == pytest.approx(4.8)  # B is taken for the mean of its neighbours, ± all of it
    assert first.uncertainty_kwh > 2.4
    assert first.plausibility is Plausibility.OPEN
    assert first.hint is None
    assert "1 of 2 usage points have no readings at all (B)" in first.reasons


def test_a_rejected_value_counts_as_missing_and_an_estimate_as_an_estimate() -> None:
    panel = a_panel(by_hand())
    panel.quality[0, 0] = q.pack(q.Status.REJECTED)
    panel.quality[1, 1] = q.pack(q.Status.ESTIMATED, q.Method.LINEAR)
    inputs = of(balance(a_topology(), panel), "T1").inputs
    assert (inputs.measured, inputs.estimated, inputs.missing) == (6 / 8, 1 / 8, 1 / 8)


def test_intervals_without_the_master_meter_are_not_compared() -> None:
    rows = by_hand() | {"M1": [1020, np.nan, 1020, 1020]}
    first = of(balance(a_topology(), a_panel(rows)), "T1")
    assert (first.supplied_kwh, first.metered_kwh) == (3.06, 3.0)
    assert first.inputs.compared == 0.75
    rows["M1"] = [1020, np.nan, np.nan, np.nan]
    assert of(balance(a_topology(), a_panel(rows)), "T1").plausibility is Plausibility.OPEN


@pytest.mark.parametrize(
    ("without", "told"),
    [
        ("M1", "its master meter M1 has no readings in the period"),
        ("A B", "no usage point below it has readings in the period"),
    ],
)
def test_what_cannot_be_compared_has_no_loss_and_a_reason(without: str, told: str) -> None:
    rows = {name: values for name, values in by_hand().items() if name not in without.split()}
    first = of(balance(a_topology(), a_panel(rows)), "T1")
    assert first.loss_kwh is None
    assert first.loss_share is None
    assert first.plausibility is Plausibility.OPEN
    assert told in first.reasons


def test_a_node_without_master_meter_or_usage_points_is_told() -> None:
    bare = Topology((Node("T1", NodeKind.TRANSFORMER), Node("T2", NodeKind.TRANSFORMER, meter="M2")), ())
    found = balance(bare, a_panel(by_hand()))
    assert of(found, "T1").reasons == ("it has no master meter",)
    assert of(found, "T2").reasons == ("no usage point is connected to it",)
    assert set(found.unconnected) == {"A", "B", "C", "M1", "MF"}


def test_more_metered_than_supplied_points_to_the_model() -> None:
    found = balance(a_topology(A="T1", B="T1", C="T1"), a_panel(by_hand()))
    assert of(found, "T1").plausibility is Plausibility.NEGATIVE
    assert "look for a usage point that hangs elsewhere" in of(found, "T1").reasons[0]


def a_week(seed: int = 1) -> dict[str, np.ndarray]:
    """Eight days of quarter-hours at six homes, with 2 % technical loss at the master meter M1."""
    rng = np.random.default_rng(seed)
    homes = {f"H{at}": np.rint(rng.gamma(2, 100, 8 * 96)) for at in range(6)}
    return homes | {"M1": np.rint(sum(homes.values()) * 1.02)}


def thief(rows: dict[str, np.ndarray]) -> NodeBalance:
    topology = Topology(
        (NODES[1].__class__("T1", NodeKind.TRANSFORMER, meter="M1"),),
        tuple(Connection(name, "T1", EVER) for name in rows if name != "M1"),
    )
    panel = Panel(tuple(rows), START, HOUR / 4, np.array(list(rows.values())))
    found = balance(topology, panel)
    each = of(found, "T1")
    assert (each in found.hints) == (each.hint is not None)
    return each


def test_a_loss_without_any_change_began_on_no_day() -> None:
    rows = {"H0": np.full(8 * 96, 100.0), "H1": np.full(8 * 96, 100.0), "M1": np.full(8 * 96, 300.0)}
    each = thief(rows)
    assert each.hint is not None
    assert (each.hint.since, each.hint.related) == (None, ())
    rows["M1"][5 * 96 :] = 330
    later = thief(rows).hint
    assert later is not None
    assert later.since == START + timedelta(days=5)


def test_an_honest_transformer_gives_no_hint() -> None:
    assert thief(a_week()).plausibility is Plausibility.PLAUSIBLE
    assert thief(a_week()).hint is None


def test_a_meter_that_counts_half_is_found_with_the_day_it_began() -> None:
    rows = a_week()
    rows["H2"][4 * 96 :] = np.rint(rows["H2"][4 * 96 :] * 0.2)
    each = thief(rows)
    assert each.plausibility is Plausibility.HIGH
    assert each.hint is not None
    (thief_,) = each.hint.related
    assert thief_.usage_point == "H2"
    assert thief_.correlation > 0.8
    # It reports a fifth: four fifths are hidden, four times what it reports (the technical loss adds a little).
    assert thief_.share == pytest.approx(4, rel=0.05)
    assert thief_.hidden_kwh == pytest.approx(4 * rows["H2"][4 * 96 :].sum() / 1000, rel=0.05)
    assert each.hint.since == START + timedelta(days=4)
    assert each.hint.reasons[-1].startswith("innocent causes")
    assert "technical reasons explain up to 6%" in each.reasons[0]


def test_a_thief_is_found_although_the_loss_could_be_a_technical_one() -> None:
    rows = a_week()
    rows["M1"] = np.rint(sum(values for name, values in rows.items() if name != "M1") * 1.005)
    rows["H4"] = np.rint(rows["H4"] * 0.8)
    each = thief(rows)
    assert each.plausibility is Plausibility.PLAUSIBLE
    assert each.hint is not None
    assert [related.usage_point for related in each.hint.related] == ["H4"]
    assert each.hint.excess_kwh == pytest.approx(0.25 * rows["H4"].sum() / 1000, rel=0.1)


@given(st.integers(0, 2**16))
def test_losses_that_grow_with_the_square_of_the_load_accuse_nobody(seed: int) -> None:
    rows = a_week(seed)
    total = np.sum([values for name, values in rows.items() if name != "M1"], axis=0)
    rows["M1"] = np.rint(total * (1 + 0.03 * total / total.mean()))
    assert thief(rows).hint is None


@pytest.mark.parametrize("shift", [-1, 1, 2])
def test_a_customers_clock_that_is_off_is_no_theft(shift: int) -> None:
    rows = a_week()
    rows["H3"] = np.roll(rows["H3"], shift)
    assert thief(rows).hint is None


def test_a_usage_point_that_hangs_elsewhere_is_named() -> None:
    rows = a_week()
    rows["M1"] = np.rint(sum(values for name, values in rows.items() if name not in {"M1", "H5"}) * 1.02)
    each = thief(rows)
    assert each.plausibility is Plausibility.NEGATIVE
    assert each.reasons[0].startswith("what was supplied lacks the use of H5")


def test_a_load_before_the_meters_is_told_apart() -> None:
    rows = a_week()
    rows["M1"] = rows["M1"] + 200
    each = thief(rows)
    assert each.hint is not None
    assert each.hint.related == ()
    assert "a load before the meters is as likely" in each.hint.reasons[0]


def test_a_master_meter_whose_clock_is_off_is_told_first() -> None:
    rows = a_week()
    rows["M1"] = np.roll(np.rint(rows["M1"] * 1.15), 1)
    each = thief(rows)
    assert each.hint is not None
    assert each.hint.clock_intervals == -1
    assert "check its clock first" in each.hint.reasons[0]


def test_hints_are_ranked_by_what_nothing_explains() -> None:
    rows = by_hand() | {"M1": [1300] * 4, "M2": [1500] * 4, "MF": [2900] * 4}
    found = balance(a_topology(), a_panel(rows))
    assert [each.node.id for each in found.hints] == ["F1", "T2", "T1"]
    body = found.to_dict()
    assert body["hints"] == ["F1", "T2", "T1"]
    assert body["nodes"][1]["days"][0]["supplied_kwh"] == 5.2


@given(st.integers(0, 2**16), st.integers(1, 12))
def test_the_feeder_sums_exactly_what_its_transformers_sum(seed: int, homes: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.rint(rng.gamma(2, 100, (homes + 3, 24)))
    values[:homes][rng.random((homes, 24)) < 0.2] = np.nan
    names = [f"H{at}" for at in range(homes)]
    panel = Panel((*names, "M1", "M2", "MF"), START, HOUR, values)
    found = balance(a_topology(**{name: f"T{1 + at % 2}" for at, name in enumerate(names)}), panel)
    parts = [of(found, "T1"), of(found, "T2")]
    assert sum(each.metered_wh for each in parts) == pytest.approx(of(found, "F1").metered_wh)
    counts = [each.inputs.usage_points for each in parts]
    assert sum(counts) == of(found, "F1").inputs.usage_points == homes


@given(st.integers(0, 2**16))
def test_the_order_of_usage_points_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = by_hand() | {"A": np.where(rng.random(4) < 0.3, np.nan, 600).tolist()}
    panel = a_panel(rows)
    one = balance(a_topology(), panel)
    two = balance(a_topology(), panel.rows(rng.permutation(len(panel.points))))
    assert [each.to_dict() for each in one.nodes] == [each.to_dict() for each in two.nodes]


# --- one grid for all -------------------------------------------------------------------------------------------------


def test_energy_is_added_up_to_longer_intervals_and_unknown_parts_stay_unknown() -> None:
    quarters = Panel(("A",), START, HOUR / 4, np.array([[1, 2, 3, 4, 5, np.nan, 7, 8, 9.0]]))
    quarters.quality[0, 0] = q.pack(q.Status.ESTIMATED)
    hours = coarsen(quarters, HOUR)
    assert hours.values[0, 0] == 10
    assert q.status_of(hours.quality)[0].tolist() == [q.Status.ESTIMATED, q.Status.MISSING, q.Status.MISSING]
    assert coarsen(hours, HOUR) is hours
    with pytest.raises(GridMismatch, match="cannot be added up"):
        coarsen(hours, HOUR * 1.5)


def test_meters_of_several_intervals_meet_on_the_shortest_they_share() -> None:
    quarters = Panel(("A",), START, HOUR / 4, np.ones((1, 8)))
    thirds = Panel(("B",), START, HOUR / 3, np.ones((1, 6)))
    assert common_interval([quarters, thirds]) == HOUR
    both = together([quarters, thirds], Interval(START, START + 2 * HOUR), HOUR)
    assert both is not None
    assert both.values.tolist() == [[4, 4], [3, 3]]
    with pytest.raises(GridMismatch, match="only meet every"):
        common_interval([quarters, Panel(("C",), START, timedelta(hours=25), np.ones((1, 1)))])


def test_a_usage_point_that_changed_its_interval_is_one_row() -> None:
    before = Panel(("A",), START, HOUR, np.array([[5.0]]))
    after = Panel(("A",), START + HOUR, HOUR / 2, np.array([[3.0, 4.0]]))
    both = together([before, after], Interval(START, START + 2 * HOUR), HOUR)
    assert both is not None
    assert both.points == ("A",)
    assert both.values.tolist() == [[5, 7]]
