"""Meter exchange: history stays, registers are closed, and what looks wrong is told before it is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import Conflict, InputError
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_REGISTER, RECEIVED_REGISTER
from gridwright.domain.register import RegisterReading, Step, register_steps
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.preview_exchange import preview_exchange
from gridwright.store import Store, open_store

START = datetime(2026, 3, 1, tzinfo=UTC)
AT = START + timedelta(days=2)
NOW = START + timedelta(days=5)
WHOLE = Interval(START, NOW)
ORDER = MeterExchange("UP-1", Meter("M-2"), AT, Decimal("112.4"), Decimal("0.2"))


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://", clock=lambda: NOW) as opened:
        opened.registry.save_points(ME, [UsagePoint("UP-1", capacity_kw=30.0)])
        opened.registry.save_meter(ME, Meter("M-1"))
        opened.registry.save_installation(ME, install("UP-1", "M-1", START - timedelta(days=99)))
        opened.registers.save(ME, [RegisterReading("UP-1", START, 100_000.0, "M-1")], known_at=START)
        opened.readings.save(ME, Panel(("UP-1",), START, timedelta(hours=1), np.full((1, 120), 250.0)), known_at=START)
        opened.dirty.clear(ME, opened.dirty.ranges(ME))
        yield opened


def test_what_the_old_meter_counted_is_told_beside_the_intervals(store: Store) -> None:
    seen = preview_exchange(store, ME, ORDER, now=NOW)
    assert (seen.closing_kwh, seen.intervals_kwh) == (Decimal("12.4"), Decimal("12.0"))
    assert seen.doubts == ()
    assert seen.before is not None
    assert seen.before.end_device == "M-1"
    assert len(store.registry.installations(ME, "UP-1")) == 1


@pytest.mark.parametrize(("final", "doubted"), [("112.4", False), ("113.2", False), ("114.0", True)])
def test_an_exchange_within_an_interval_is_held_against_the_whole_ones(store: Store, final: str, doubted: bool) -> None:
    """Read seven minutes past the hour, twice: 48 hours of 250 Wh less the two that are cut, which hold up to 500."""
    late = timedelta(minutes=7)
    store.registers.save(ME, [RegisterReading("UP-1", START + late, 100_000.0, "M-1")], known_at=START)
    order = replace(ORDER, at=AT + late, final_kwh=Decimal(final))
    seen = preview_exchange(store, ME, order, now=NOW)
    assert seen.intervals_kwh == Decimal("11.75")
    assert any("the intervals since" in doubt for doubt in seen.doubts) == doubted


def test_what_no_home_can_use_is_doubted_where_its_capacity_is_not_known(store: Store) -> None:
    """100 kW for two days are 4,800 kWh; a factory's connection may carry more."""
    order = replace(ORDER, final_kwh=Decimal(5_000))
    store.registry.save_points(ME, [UsagePoint("UP-1")])
    (doubt,) = preview_exchange(store, ME, order, now=NOW).doubts
    assert "more than 100 kW could have counted" in doubt
    store.registry.save_points(ME, [UsagePoint("UP-1", customer_class="commercial")])
    assert preview_exchange(store, ME, order, now=NOW).closing_kwh == 4_900


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"final_kwh": None}, "no final read"),
        ({"opening_kwh": None}, "no opening read"),
        ({"final_kwh": Decimal(99)}, "cannot follow"),
        ({"final_kwh": Decimal(300)}, "the intervals since the last read"),
        ({"multiplier": Decimal(40)}, "multiplier changes from 1 to 40"),
    ],
)
def test_what_looks_wrong_is_told(store: Store, other: dict[str, Decimal | None], words: str) -> None:
    seen = preview_exchange(store, ME, replace(ORDER, **other), now=NOW)  # type: ignore[arg-type]
    assert any(words in doubt for doubt in seen.doubts), seen.doubts


def test_without_a_final_read_an_estimate_is_offered(store: Store) -> None:
    """3.35 kWh a day (two places, half up) for two days on top of 100 kWh, each count ten watt-hours."""
    order = replace(ORDER, final_kwh=None)
    (alone,) = preview_exchange(store, ME, order, now=NOW).doubts
    assert alone.endswith("stays open")
    store.registry.save_meter(ME, Meter("M-1", dials=6, lsb_wh=10))
    earlier = RegisterReading("UP-1", START - timedelta(days=10), 66_550.0, "M-1")
    stranger = RegisterReading("UP-1", START - timedelta(days=20), 9_000.0, "M-0")
    store.registers.save(ME, [earlier, stranger], known_at=NOW)
    told, stray = preview_exchange(store, ME, order, now=NOW).doubts
    assert stray.startswith("meter M-0 was read once while it did not hang there")
    assert "it would show about 106.700 kWh" in told
    assert store.registers.load(ME, "UP-1", Interval(AT, AT), DELIVERED_REGISTER) == ()


def test_a_final_read_that_nobody_took_is_estimated_until_one_comes(store: Store) -> None:
    """E09: 3.35 kWh a day for two days; the estimate says so of itself, and gives way to the read."""
    asked = replace(ORDER, final_kwh=None, estimate_final=True)
    with pytest.raises(InputError, match="final read of M-1 cannot be estimated: one register read"):
        exchange_meter(store, ME, asked, now=NOW)
    assert len(store.registry.installations(ME, "UP-1")) == 1
    earlier = RegisterReading("UP-1", START - timedelta(days=10), 66_550.0, "M-1")
    store.registers.save(ME, [earlier], known_at=NOW)
    (told,) = preview_exchange(store, ME, asked, now=NOW).doubts
    assert "its final read is an estimate from its average daily use, 106.700 kWh" in told
    for _ in range(2):
        exchange_meter(store, ME, asked, now=NOW)
        final, _ = store.registers.load(ME, "UP-1", Interval(AT, AT))
        assert (final.end_device, final.value, final.epoch) == ("M-1", 106_700, 0)
        assert q.nem12_code(final.quality) == "S62"
        assert final.is_estimate
    exchange_meter(store, ME, ORDER, now=NOW)
    exchange_meter(store, ME, asked, now=NOW)
    final, _ = store.registers.load(ME, "UP-1", Interval(AT, AT))
    assert (final.value, final.is_estimate) == (112_400, False), "an estimate gives way, and never comes back"


def test_what_cannot_be_estimated_at_an_exchange_is_told(store: Store) -> None:
    asked = replace(ORDER, final_kwh=None, estimate_final=True, usage_point="UP-2")
    store.registry.save_points(ME, [UsagePoint("UP-2")])
    with pytest.raises(InputError, match="no meter hangs at UP-2 to have a final read"):
        exchange_meter(store, ME, asked, now=NOW)
    store.registry.save_meter(ME, Meter("M-9"))
    store.registry.save_installation(ME, install("UP-2", "M-9", START))
    with pytest.raises(InputError, match="cannot be estimated: no register read of it is known") as refused:
        exchange_meter(store, ME, asked, now=NOW)
    assert "leave it open" in refused.value.remedy


def test_reads_of_the_very_instant_close_and_open_though_nobody_says_them_again(store: Store) -> None:
    """Other transformers behind a meter that is read by the hour, at the full hour."""
    store.registers.save(ME, [RegisterReading("UP-1", AT, 100_800.0, "M-1")], known_at=NOW)
    silent = replace(ORDER, final_kwh=None, opening_kwh=None)
    (opening,) = preview_exchange(store, ME, silent, now=NOW).doubts
    assert "no opening read" in opening
    (factor,) = preview_exchange(store, ME, replace(silent, meter=Meter("M-1"), multiplier=Decimal(2)), now=NOW).doubts
    assert "the multiplier changes" in factor


def test_a_register_that_turned_over_is_told_and_closed(store: Store) -> None:
    last = RegisterReading("UP-1", START + timedelta(hours=1), 99_999_950.0, "M-1", epoch=0)
    store.registers.save(ME, [last], known_at=NOW)
    seen = preview_exchange(store, ME, replace(ORDER, final_kwh=Decimal("0.070")), now=NOW)
    assert seen.closing_kwh == Decimal("0.12")
    assert "turned over" in seen.doubts[0]


def test_reads_after_the_exchange_and_other_dials_are_told(store: Store) -> None:
    store.registers.save(ME, [RegisterReading("UP-1", NOW, 130_000.0, "M-1")], known_at=NOW)
    store.registry.save_meter(ME, Meter("M-2", dials=6))
    doubts = preview_exchange(store, ME, ORDER, now=NOW).doubts
    assert any("read once after" in doubt for doubt in doubts)
    assert not any("6 dials" in doubt for doubt in doubts), "who says nothing of dials contradicts nobody"
    doubts = preview_exchange(store, ME, replace(ORDER, meter=Meter("M-2", dials=5, lsb_wh=1)), now=NOW).doubts
    assert any("registered with 6 dials of 1 Wh, not 5 of 1 Wh" in doubt for doubt in doubts)
    assert any("5 dials of 1 Wh turn over after 100 kWh" in doubt for doubt in doubts)


def test_an_exchange_tells_dials_that_nobody_had_told(store: Store) -> None:
    store.registry.save_meter(ME, Meter("M-2", brand="Example"))
    exchange_meter(store, ME, replace(ORDER, meter=Meter("M-2", dials=5, lsb_wh=1000)), now=NOW)
    assert store.registry.meter(ME, "M-2") == Meter("M-2", "Example", dials=5, lsb_wh=1000)


def test_an_exchange_creates_no_energy_and_is_done_once(store: Store) -> None:
    fed = replace(ORDER, final_received_kwh=Decimal(7), opening_received_kwh=Decimal(1))
    first = exchange_meter(store, ME, fed, now=NOW)
    assert exchange_meter(store, ME, fed, now=NOW) == first
    assert [each.end_device for each in first] == ["M-1", "M-2"]
    store.registers.save(ME, [RegisterReading("UP-1", NOW, 1_200.0, "M-2", epoch=1)], known_at=NOW)
    reads = store.registers.load(ME, "UP-1", WHOLE, DELIVERED_REGISTER)
    steps = register_steps(reads, meter=Meter("M-1"), capacity_kw=30.0)
    assert [(step.energy, step.step) for step in steps] == [
        (12_400.0, Step.NORMAL),
        (None, Step.EXCHANGE),
        (1_000.0, Step.NORMAL),
    ]
    back = store.registers.load(ME, "UP-1", WHOLE, RECEIVED_REGISTER)
    assert [(read.value, read.end_device, read.epoch) for read in back] == [(7000.0, "M-1", 0), (1000.0, "M-2", 1)]
    assert store.dirty.ranges(ME)[0].period == Interval(START, AT + timedelta(days=1))


def test_new_transformers_are_an_exchange_of_the_same_meter(store: Store) -> None:
    order = MeterExchange("UP-1", Meter("M-1"), AT, Decimal(112), Decimal(112), Decimal(40))
    history = exchange_meter(store, ME, order, now=NOW)
    assert [(each.end_device, each.multiplier) for each in history] == [("M-1", Decimal(1)), ("M-1", Decimal(40))]
    steps = register_steps(store.registers.load(ME, "UP-1", WHOLE), meter=Meter("M-1"), capacity_kw=30.0)
    assert [step.energy for step in steps] == [12_000.0, None]


@pytest.mark.parametrize(
    ("order", "error"),
    [
        (replace(ORDER, at=NOW + timedelta(days=1)), InputError),
        (replace(ORDER, multiplier=Decimal(0)), InputError),
        (replace(ORDER, multiplier=Decimal(-1)), InputError),
        (replace(ORDER, at=START - timedelta(days=200)), InputError),
        (MeterExchange("UP-1", Meter("M-1"), AT), Conflict),
    ],
)
def test_an_exchange_that_cannot_be(store: Store, order: MeterExchange, error: type[Exception]) -> None:
    for act in (preview_exchange, exchange_meter):
        with pytest.raises(error):
            act(store, ME, order, now=NOW)
    assert len(store.registry.installations(ME, "UP-1")) == 1


NARROW = Meter("M-2", dials=5)


@pytest.mark.parametrize(
    ("order", "value", "size", "helps"),
    [
        (
            replace(ORDER, meter=NARROW, opening_kwh=Decimal(99990)),
            "opening read of the delivered register is 99990",
            2,
            0,
        ),
        (replace(ORDER, meter=NARROW, opening_kwh=Decimal(100)), "opening read of the delivered register is 100", 2, 0),
        (replace(ORDER, meter=NARROW, opening_received_kwh=Decimal(100)), "opening read of the received", 2, 0),
        (replace(ORDER, final_kwh=Decimal("523.4")), "final read of the delivered register is 523.4", 1, 1),
        (
            replace(ORDER, final_kwh=None, final_received_kwh=Decimal(100)),
            "final read of the received register is 100",
            1,
            1,
        ),
    ],
    ids=["opening", "its first too many", "opening received", "final", "final received"],
)
def test_a_read_that_the_register_cannot_show_is_refused(
    store: Store, order: MeterExchange, value: str, size: int, helps: int
) -> None:
    """Five digits of 1 Wh end at 100 kWh: more was misread, or its dials were told wrong."""
    store.registry.save_meter(ME, Meter("M-1", dials=5 if size == 1 else None))
    before = store.registry.installations(ME, "UP-1")
    for look in (preview_exchange, exchange_meter):
        with pytest.raises(InputError) as caught:
            look(store, ME, order, now=NOW)
        assert value in str(caught.value)
        assert f"meter M-{size} has 5 digits of 1 Wh, which turn over at 100 kWh" in str(caught.value)
        assert ("--dials and --lsb-wh", "gridwright usage-point dials UP-1")[helps] in (caught.value.remedy or "")
    assert store.registry.installations(ME, "UP-1") == before


def test_what_is_registered_of_the_new_meter_holds_for_its_opening_read(store: Store) -> None:
    store.registry.save_meter(ME, Meter("M-2", dials=5))
    wide = replace(ORDER, meter=Meter("M-2", dials=8), opening_kwh=Decimal(500))
    with pytest.raises(InputError, match="has 5 digits of 1 Wh"):
        exchange_meter(store, ME, wide, now=NOW)
    assert exchange_meter(store, ME, replace(wide, opening_kwh=Decimal("99.999")), now=NOW)


@pytest.mark.parametrize("final", [None, Decimal("112.4")], ids=["no final read", "final read"])
@pytest.mark.parametrize("earlier", [False, True], ids=["alone", "beside the old meter's"])
def test_an_opening_read_that_came_before_its_exchange_is_there_once(
    store: Store, final: Decimal | None, *, earlier: bool
) -> None:
    """Where no read of the old meter was stored it was doubled, in two epochs: a register that began anew, by 0 kWh."""
    kind = RECEIVED_REGISTER
    if earlier:
        store.registers.save(ME, [RegisterReading("UP-1", START, 100.0, "M-1", reading_type=kind)], known_at=START)
    opening = RegisterReading("UP-1", AT, 200.0, "M-2", 1 if earlier else 0, reading_type=kind)
    later = replace(opening, at=AT + timedelta(days=1), value=900.0)
    store.registers.save(ME, [opening, later], known_at=START)
    order = replace(ORDER, final_received_kwh=final, opening_received_kwh=Decimal("0.2"))
    for _ in range(2):
        exchange_meter(store, ME, order, now=NOW)
        reads = store.registers.load(ME, "UP-1", WHOLE, kind)
        assert [(read.at, read.value) for read in reads if read.end_device == "M-2"] == [(AT, 200.0), (later.at, 900.0)]
        assert len({read.epoch for read in reads if read.end_device == "M-2"}) == 1
