"""Rules of sets: what arrives late, time-of-use registers, nodes, versions, and which interval a failed sum blames."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.errors import GridMismatch
from gridwright.domain.finding import Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Status, status_of
from gridwright.domain.reading_type import DELIVERED_REGISTER, ReadingType
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter
from gridwright.vee import RULES_RESIDENTIAL, Registers, rule_book, validate
from gridwright.vee.arrivals import Duplicate, Late
from gridwright.vee.circumstances import Circumstances, Condition, StatusWords
from gridwright.vee.rules.network import Balance, Loss
from gridwright.vee.rules.registers import RegisterChange
from gridwright.vee.rules.versions import Replacement

START = datetime(2025, 6, 2, tzinfo=UTC)
DAY = timedelta(days=1)
HALF_HOUR = timedelta(minutes=30)


def noise(days: int = 2, rows: int = 1, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 400, (rows, days * 48)).astype(np.float64)


def panel_of(values: np.ndarray) -> Panel:
    return Panel(tuple(f"P{row}" for row in range(len(values))), START, HALF_HOUR, values)


def daily_reads(values: np.ndarray, lsb: float = 1.0) -> dict[str, list[RegisterReading]]:
    """Read each row's register at every midnight."""
    counted = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)[:, ::48] // lsb * lsb
    return {
        f"P{row}": [RegisterReading(f"P{row}", START + DAY * day, value) for day, value in enumerate(line)]
        for row, line in enumerate(counted)
    }


def text_of(rules: str) -> str:
    """Return the rules of homes with some of them changed."""
    return f'version = "1"\n[[group]]\nname = "homes"\nextends = "residential"\n[group.rules]\n{rules}\n'


@pytest.mark.parametrize(
    ("arrived", "late"),
    [
        (datetime(2025, 6, 3, 5, 0, tzinfo=UTC), 0),  # 07:00 in Berlin
        (datetime(2025, 6, 3, 5, 1, tzinfo=UTC), 44),
        (datetime(2025, 6, 4, 4, 59, tzinfo=UTC), 44),
        (datetime(2025, 6, 4, 5, 1, tzinfo=UTC), 50),
    ],
)
def test_late_from_seven_the_next_morning(arrived: datetime, late: int) -> None:
    """50 half-hours from 00:00 UTC: in Berlin 44 lie on 2 June and six on 3 June."""
    begin = int(START.timestamp())
    n = 50
    readings = Readings(
        ("P",),
        np.zeros(n, np.int32),
        begin + np.arange(n) * 1800,
        np.ones(n),
        np.zeros(n, np.uint8),
        np.arange(n),
        1800,
    )
    found = Late()(readings, arrived, "Europe/Berlin")
    assert [(f.code, f.severity, f.slots) for f in found] == [("V06_late", Severity.INFO, late)] * bool(late)
    assert Duplicate()(readings) == []


def marked(slot: int, condition: Condition) -> Circumstances:
    """Return what a device says of one interval."""
    words = np.zeros((1, 96), np.uint32)
    words[0, slot] = int(condition)
    return Circumstances(status=StatusWords(("P0",), START, words))


WARNED, TOLD = Condition.DISTURBED, Condition.BATTERY


def test_a_failed_sum_is_a_doubt_about_its_set_and_rejects_no_interval_alone() -> None:
    """The set fails, as the catalogue has it: a true peak may be the only one as large as what others hold more."""
    true = noise()
    true[0, 60] = 9_000
    seen = true.copy()
    seen[0, 48:59] += 400  # 4.4 kWh too much, in none of them alone
    registers = daily_reads(true, 10.0)
    book = rule_book(text_of("V18_spike = false\nV19_spike_mad = false\nV34_high_demand = false"), "vee.toml")
    done = validate(panel_of(seen), [], registers=registers, rules=book)
    assert [(f.code, f.severity, f.slots) for f in done.findings] == [("V30_sum", Severity.FAIL, 48)]
    status = status_of(done.panel.quality)[0]
    assert set(status[48:]) == {Status.ACCEPTED}
    assert set(status[:48]) == {Status.ACTUAL}


@pytest.mark.parametrize(("condition", "rejected"), [(None, []), (TOLD, []), (WARNED, [60])])
def test_what_another_rule_warns_of_and_alone_can_hold_the_excess_is_rejected(
    condition: Condition | None, rejected: list[int]
) -> None:
    true = noise()
    seen = true.copy()
    seen[0, 60] = 10 * true[0, 60]
    around = marked(60, condition) if condition else Circumstances()
    done = validate(panel_of(seen), [], registers=daily_reads(true, 10.0), circumstances=around)
    status = status_of(done.panel.quality)[0]
    assert "V30_sum" in {f.code for f in done.findings}
    assert np.flatnonzero(status == Status.REJECTED).tolist() == rejected
    assert {*status[48:60].tolist(), *status[61:].tolist()} == {Status.ACCEPTED}


def test_a_warning_about_another_interval_rejects_neither() -> None:
    true = noise()
    seen = true.copy()
    seen[0, 60] = 10 * true[0, 60]
    done = validate(panel_of(seen), [], registers=daily_reads(true), circumstances=marked(70, WARNED))
    assert Status.REJECTED not in status_of(done.panel.quality)


def test_a_shifted_decimal_point_is_known_among_large_values() -> None:
    true = noise()
    true[0, [50, 70]], true[0, 60] = 5_000, 300
    seen = true.copy()
    seen[0, 60] = 3_000
    done = validate(panel_of(seen), [], registers=daily_reads(true), circumstances=marked(60, WARNED))
    status = status_of(done.panel.quality)[0]
    assert np.flatnonzero(status == Status.REJECTED).tolist() == [60]


def test_a_sum_that_is_too_low_blames_nobody() -> None:
    true = noise()
    seen = true.copy()
    seen[0, 60] = 1
    done = validate(panel_of(seen), [], registers=daily_reads(true))
    assert [f.code for f in done.findings] == ["V30_sum"]
    assert Status.REJECTED not in status_of(done.panel.quality)


def test_a_group_may_forbid_to_blame_or_soften_the_sum() -> None:
    true = noise()
    seen = true.copy()
    seen[0, 60] *= 10
    for words in ("blame = false", 'severity = "warn"'):
        book = rule_book(text_of(f"V30_sum = {{ {words} }}"), "vee.toml")
        around = marked(60, WARNED)
        done = validate(panel_of(seen), [], registers=daily_reads(true), rules=book, circumstances=around)
        assert Status.REJECTED not in status_of(done.panel.quality)
        (found,) = [f for f in done.findings if f.code == "V30_sum"]
        assert found.severity is (Severity.WARN if "warn" in words else Severity.FAIL)
    off = rule_book(text_of("V30_sum = false"), "vee.toml")
    assert validate(panel_of(seen), [], registers=daily_reads(true), rules=off).findings == ()


@pytest.mark.parametrize(("night", "found"), [(40_000.0, []), (44_000.0, ["V31_tou_sum"])])
def test_time_of_use_registers_make_the_total(night: float, found: list[str]) -> None:
    """Total 96 kWh; two registers of 1 kWh steps may be off by (2 + 1) x 1 kWh."""
    values = np.full((1, 48), 2_000.0) + np.arange(48) % 2 * 2 - 1
    kinds = {name: ReadingType(accumulation=DELIVERED_REGISTER.accumulation, channel=name) for name in ("", "T1", "T2")}
    counts = {"": 96_000.0, "T1": 56_000.0, "T2": night}
    reads = [
        RegisterReading("P0", START + DAY * day, 1e6 + counts[name] * day, "M", reading_type=kind)
        for name, kind in kinds.items()
        for day in (0, 1)
    ]
    registers = Registers({"P0": reads}, {"M": Meter("M", dials=6, lsb_wh=1000)})
    done = validate(panel_of(values), [], registers=registers)
    assert [f.code for f in done.findings] == found


def test_a_register_that_counts_much_more_than_before() -> None:
    values = np.concatenate([noise(10), noise(10) * 8], axis=1)
    pairs = [RegisterReading("P0", START + DAY * day, float(values[0, : day * 48].sum())) for day in (0, 10, 20)]
    text = 'version = "1"\n[[group]]\nname = "homes"\nextends = "residential"\n[group.rules]\nV33_register = true\n'
    off = {f.code for f in validate(panel_of(values), [], registers={"P0": pairs}).findings}
    found = validate(panel_of(values), [], registers={"P0": pairs}, rules=rule_book(text, "x")).findings
    assert {f.code for f in found} - off == {RegisterChange.code}
    (told,) = (f.message for f in found if f.code == RegisterChange.code)
    first, second = (round(float(part.sum()) / 10) / 1000 for part in np.hsplit(values[0], 2))
    assert told == f"{second:g} kWh a day, {first:g} kWh a day in the period before: 88% apart"


def test_what_does_not_arrive_below_a_node() -> None:
    """4 % are lost by day and night; one night a tenth goes missing, and one day nothing was measured."""
    meters = noise(5, rows=10, seed=5)
    into = meters.sum(axis=0, keepdims=True) / 0.96
    into[0, 48 * 2 : 48 * 2 + 8] *= 1.1
    into[0, 48 * 3 : 48 * 4] = np.nan
    node = Panel(("F1",), START, HALF_HOUR, into)
    loss = Loss(0.04, 0.005)
    found = Balance()(node, panel_of(meters), zone="UTC", day=loss, night=loss)
    assert [(f.code, f.period.start) for f in found] == [("V37_balance", START + DAY * 2)]
    assert "by night on 2025-06-04" in found[0].message
    with pytest.raises(GridMismatch, match="grid"):
        Balance()(node, panel_of(meters[:, 1:]), zone="UTC", day=loss, night=loss)


@pytest.mark.parametrize(
    ("more", "price", "found"), [(300, None, 0), (700, None, 1), (300, 4.0, 1), (300, 3.0, 0), (-700, None, 1)]
)
def test_a_newer_version_of_what_was_billed(more: float, price: float | None, found: int) -> None:
    """100 kWh were billed: 0.3 % is below half a percent, but 0.3 kWh at 4 a kWh is above 1."""
    billed = panel_of(np.full((1, 50), 2_000.0))
    newer = billed.values.copy()
    newer[0, 7] += more
    period = Interval(START, START + HALF_HOUR * 50)
    prices = None if price is None else {"P0": price}
    doubts = Replacement()(billed, billed.with_values(newer), {"P0": [period]}, price_per_kwh=prices)
    assert [f.code for f in doubts] == ["V38_replacement"] * found
    assert all("1 intervals changed" in f.message and f.period == period for f in doubts)
    later = {"P0": [Interval(START + HALF_HOUR * 20, START + HALF_HOUR * 40)]}
    assert Replacement()(billed, billed.with_values(newer), later) == []
    with pytest.raises(GridMismatch, match="no newer version"):
        Replacement()(billed, billed.slice(0, 20), {})


def test_a_rule_set_given_is_everybodys() -> None:
    values = noise(4)
    values[0, 60:70] = 0
    assert validate(panel_of(values), [], rules=RULES_RESIDENTIAL).findings == ()


def test_what_a_bill_is_corrected_by_is_told_to_the_watt_hour() -> None:
    when = Interval(datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC))
    (doubt,) = Replacement().of_bill("A", when, (1_234_567.891, 4_952.282), -1.0, "EUR")
    assert doubt.message.startswith("billed 1,234,567.891 kWh, now 4,952.282 kWh (-99.6%): -1.00 EUR")
