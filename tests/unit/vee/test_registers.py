"""V30 and V32: sum check and register steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.errors import InputError
from gridwright.domain.finding import Severity
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Status, status_of
from gridwright.domain.reading_type import RECEIVED_REGISTER
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.vee import Registers, estimate, validate
from gridwright.vee.segments import segments_of
from gridwright.vee.steps import steps_of

START = datetime(2025, 1, 1, tzinfo=UTC)
END = START + timedelta(days=1)


def a_panel(values: list[float] | None = None) -> Panel:
    rows = np.array([values if values is not None else np.arange(96.0) + 1])
    return Panel(("P",), START, timedelta(minutes=15), rows)


def reads(first: float, last: float, epoch: int = 0) -> list[RegisterReading]:
    return [RegisterReading("P", START, first), RegisterReading("P", END, last, epoch=epoch)]


def factor_40(*pair: RegisterReading, dials: int = 5, lsb_wh: int = 1000) -> Registers:
    meter = Meter("", dials=dials, lsb_wh=lsb_wh)
    return Registers({"P": pair}, {"": meter}, [install("P", "", START - timedelta(days=90), Decimal(40))])


def test_c08_tolerance_of_a_transformer_meter() -> None:
    """Meter-to-cash reference A5, case C8: M = 40, 1 kWh register, 96 intervals of 0.01 kWh: 40 + 0.48 kWh."""
    panel = Panel(("P",), START, timedelta(minutes=15), np.full((1, 96), 5.0)).rescaled(0)
    registers = factor_40(*reads(0, 1000))
    segments = segments_of(panel, steps_of(panel, registers, {"P": 100.0}))
    assert segments.tolerance.tolist() == [40_000 + 96 / 2]


def test_c06_rollover_and_decrease() -> None:
    """Meter-to-cash reference A5, case C6: five dials times 40 at 100 kW in 30 days."""
    later = START + timedelta(days=30)
    panel = a_panel()
    for pair, severity, word in [
        ((99_950, 120), Severity.INFO, "6,800 kWh"),
        ((50_120, 50_100), Severity.FAIL, "decreased"),
    ]:
        two = [RegisterReading("P", START, pair[0] * 1000.0), RegisterReading("P", later, pair[1] * 1000.0)]
        found = validate(panel, [UsagePoint("P", capacity_kw=100)], registers=factor_40(*two)).findings
        register = [finding for finding in found if finding.code == "V32_register"]
        assert [finding.severity for finding in register] == [severity]
        assert word in register[0].message


def test_a_new_epoch_gives_no_energy() -> None:
    found = validate(a_panel(), [], registers={"P": reads(900_000, 10, epoch=1)}).findings
    assert [(f.code, f.severity) for f in found] == [("V32_register", Severity.INFO)]


@pytest.mark.parametrize(
    ("pair", "epoch", "severity", "told"),
    [
        ((120_000, 119_900), 1, Severity.FAIL, ("decreased", "120 kWh", "119.9 kWh", "by -0.1 kWh", "exchange")),
        ((120_000, 119_900), 0, Severity.FAIL, ("decreased", "120 kWh", "119.9 kWh", "by -0.1 kWh", "exchange")),
        ((110_000, 1_000_110_000), 0, Severity.FAIL, ("more than the connection carries", "by 1,000,000 kWh", "send")),
        ((1_000_110_000, 120_000), 1, Severity.INFO, ("began anew", "1,000,110 kWh", "120 kWh", "if it was reset")),
        ((50_000_000, 0), 1, Severity.INFO, ("began anew", "by -50,000 kWh")),
        ((100_000, 120_000), 1, Severity.INFO, ("began anew", "by 20 kWh")),
    ],
)
def test_what_is_no_reset_is_a_decrease_and_names_both_reads(
    pair: tuple[int, int], epoch: int, severity: Severity, told: tuple[str, ...]
) -> None:
    """Whoever takes a read begins a new epoch at each fall: a fall by a little is no reset for that."""
    day = timedelta(days=1)
    several = [RegisterReading("P", START, pair[0]), RegisterReading("P", START + day, pair[1], epoch=epoch)]
    found = validate(a_panel(), [UsagePoint("P", capacity_kw=100)], registers={"P": several}).findings
    (finding,) = (each for each in found if each.code == "V32_register")
    assert finding.severity is severity
    for word in (*told, "no energy is taken", f"{START:%Y-%m-%dT%H:%M:%SZ}"):
        assert word in finding.message


def two_days(values: np.ndarray, second: float, factor: float = 1.0) -> tuple[Panel, list[RegisterReading]]:
    """Two days of the same values; the register counts `second` more on the second one, and `factor` times all."""
    panel = Panel(("P",), START, timedelta(minutes=15), np.tile(values, 2)[None])
    counted = [0.0, factor * values.sum(), factor * 2 * values.sum() + second]
    return panel, [RegisterReading("P", START + timedelta(days=day), value) for day, value in enumerate(counted)]


def test_a_failed_sum_rejects_the_suspects_only() -> None:
    values = np.random.default_rng(1).integers(100, 400, 96).astype(float)
    panel, several = two_days(values, 5_000)
    panel.values[0, 136:166] = 250
    registers = {"P": several}
    done = validate(panel, [], registers=registers)
    assert [f.code for f in done.findings] == ["V17_stuck", "V30_sum"]
    status = status_of(done.panel.quality)[0]
    assert set(status[136:166]) == {Status.REJECTED}
    assert set(np.r_[status[96:136], status[166:]]) == {Status.ACCEPTED}
    closed = estimate(done.panel, [], registers=registers).panel
    assert closed.values[0, 96:].sum() == values.sum() + 5_000
    assert [f.code for f in validate(closed, [], registers=registers).findings] == []


@pytest.mark.parametrize("factor", [0.05, 0.5, 0.9, 1.1, 20.0])
def test_a_register_whose_factor_is_wrong_is_never_believed_against_an_interval(factor: float) -> None:
    """It closes no sum; what another rule doubts stays too, and each day is told."""
    values = np.random.default_rng(1).integers(100, 400, 96).astype(float)
    values[40:70] = 250
    values[80] = 20 * 400
    panel, several = two_days(values, 0.0, factor)
    done = validate(panel, [UsagePoint("P", capacity_kw=1_000)], registers={"P": several})
    assert [f.code for f in done.findings].count("V30_sum") == 2
    assert Status.REJECTED not in status_of(done.panel.quality)


def test_intervals_in_a_row_that_a_wrong_factor_fails_are_one_finding() -> None:
    """The register is read with each interval and counts three times as much; two intervals are off the other way."""
    values = np.random.default_rng(1).integers(100, 400, 96).astype(float)
    counted = np.r_[0.0, np.cumsum(3 * values)]
    counted[51:] -= 3 * values[50] + 3 * values[51] - 20
    counted[51] = counted[50] + 10
    every = [RegisterReading("P", START + slot * timedelta(minutes=15), at) for slot, at in enumerate(counted.tolist())]
    done = validate(a_panel(values.tolist()), [], registers={"P": every})
    found = [each for each in done.findings if each.code == "V30_sum"]
    quarter = timedelta(minutes=15)
    assert [(each.period.start, each.period.end, each.slots) for each in found] == [
        (START, START + 50 * quarter, 50),
        (START + 50 * quarter, START + 52 * quarter, 2),
        (START + 52 * quarter, END, 44),
    ]
    first = values[:50].sum() / 1000
    assert found[0].message == (
        f"intervals sum to {first:.3f} kWh, the registers say {3 * first:.3f} kWh; "
        "50 intervals in a row are each more apart than 0.002 kWh"
    )


@pytest.mark.parametrize("wrong", [-900, 900])
def test_a_read_that_is_wrong_once_costs_no_interval(wrong: int) -> None:
    """Its two neighbours close together: no interval holds what the one lacks and the other has too much."""
    values = np.full(96, 100.0)
    values[[30, 60]] = 1_000, 990
    panel = Panel(("P",), START, timedelta(minutes=15), np.tile(values, 4)[None])
    counted = np.cumsum([5_000, *[values.sum()] * 4])
    counted[2] += wrong
    several = [RegisterReading("P", START + timedelta(days=day), value) for day, value in enumerate(counted.tolist())]
    done = validate(panel, [], registers={"P": several})
    assert [f.code for f in done.findings].count("V30_sum") == 2
    assert Status.REJECTED not in status_of(done.panel.quality)


@given(guess=st.integers(0, 10**6))
def test_an_estimated_read_neither_fails_a_sum_nor_closes_a_gap(guess: int) -> None:
    """Catalogue E08: actual registers at both ends. Whatever a guess says, all is as if nobody had made it."""
    values = np.random.default_rng(3).integers(100, 400, 96).astype(float)
    panel, (first, _, last) = two_days(values, 0)
    panel.values[0, 40:60] = np.nan
    between = RegisterReading("P", END, float(guess), quality=q.pack(Status.ESTIMATED, q.Method.SCALAR))
    ends = []
    for several in ([first, last], [first, between, last]):
        done = validate(panel, [], registers={"P": several})
        ends.append((estimate(done.panel, [], registers={"P": several}).panel.values.tolist(), done.findings))
    assert ends[0] == ends[1]
    assert sum(ends[0][0][0]) == last.value
    only = [first, replace(last, quality=between.quality)]
    open_end = estimate(panel, [], registers={"P": only})
    assert q.Method.SCALED not in set(q.method_of(open_end.panel.quality)[0, 40:60])


def test_a_negative_residual_is_a_finding_and_nothing_is_scaled() -> None:
    values = np.full(96, 100.0)
    values[10:12] = np.nan
    done = estimate(a_panel(values.tolist()), [], registers={"P": reads(0, 5_001)})
    assert [(f.code, f.severity) for f in done.findings] == [("V30_sum", Severity.FAIL)]
    assert done.panel.values[0, 10:12].tolist() == [100, 100]


def test_a_residual_below_the_resolution_is_told_but_no_failure() -> None:
    values = np.full(96, 100.0)
    values[10:12] = np.nan
    done = estimate(a_panel(values.tolist()), [], registers={"P": reads(0, 9_000)})
    assert [(f.code, f.severity) for f in done.findings] == [("V30_sum", Severity.INFO)]


def test_a_read_without_zone_is_refused() -> None:
    naive = [RegisterReading("P", START.replace(tzinfo=None), 1.0)]
    with pytest.raises(InputError, match="no time zone"):
        validate(a_panel(), [], registers={"P": naive})


def test_reads_off_the_grid_close_a_gap_where_there_are_no_others() -> None:
    """Of the interval in which each was read, 7 of 15 minutes were counted beside it."""
    values = np.full(96, 100.0)
    values[10:12] = np.nan
    half = timedelta(minutes=7)
    off = [RegisterReading("P", START + half, 0.0), RegisterReading("P", END - half, 10_000.0)]
    filled = estimate(a_panel(values.tolist()), [], registers={"P": off}).panel.values[0, 10:12]
    assert filled.sum() == 10_000 - 94 * 100 + 94


def test_another_reading_type_is_left_alone() -> None:
    other = [
        RegisterReading("P", at, value, reading_type=RECEIVED_REGISTER) for at, value in ((START, 0.0), (END, 9.0))
    ]
    assert validate(a_panel(), [], registers={"P": other}).findings == ()
