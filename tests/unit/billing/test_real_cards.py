"""Forty-eight published residential tariffs, written as rate cards, against a plain loop over the hours."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from gridwright.domain.usage_point import UsagePoint
from tests.unit.billing.builders import a_bill, a_card, a_panel, a_period

ZONE = "America/New_York"
CENT = Decimal("0.01")
HEAD = '[tariff]\nid = "real"\nversion = 1\ncurrency = "USD"\n'


def tiers_of(period: dict[str, Any]) -> list[tuple[Decimal, Decimal | None, str]]:
    return [
        (
            Decimal(tier["rate"] or "0") + Decimal(tier["adj"] or "0"),
            Decimal(tier["max"]) if tier["max"] else None,
            "day" if "daily" in (tier["max_unit"] or "") else "month",
        )
        for tier in period["tiers"]
    ]


def to_card(tariff: dict[str, Any]) -> str:
    periods = [tiers_of(period) for period in tariff["energy"]["periods"]]
    names = [f"p{index}" for index in range(len(periods))]
    lines = [HEAD, "[calendars.c]", f"labels = {json.dumps(names)}"]
    lines += [f"{rows} = {json.dumps(tariff['schedule'][rows])}" for rows in ("weekday", "weekend")]
    lines += ["[[charges]]", 'id = "energy"', 'quantity.when.calendar = "c"', "[charges.price]", 'scope = "label"']
    lines += ["[charges.price.label_blocks]"]
    for name, tiers in zip(names, periods, strict=True):
        blocks = [
            f'{{ upto = {limit}, per = "{per}", rate = {rate} }}' if limit is not None else f"{{ rate = {rate} }}"
            for rate, limit, per in [*tiers[:-1], (tiers[-1][0], None, "")]
        ]
        lines.append(f"{name} = [{', '.join(blocks)}]")
    return "\n".join(lines) + "\n"


def by_hand(tariff: dict[str, Any], panel: Any, month_days: int) -> Decimal:  # noqa: ANN401 - a panel
    used = [Decimal(0)] * len(tariff["energy"]["periods"])
    for slot, watt_hours in enumerate(panel.values[0].tolist()):
        moment = (panel.start + panel.interval * slot).astimezone(ZoneInfo(ZONE))
        rows = tariff["schedule"]["weekend" if moment.weekday() >= 5 else "weekday"]
        used[rows[moment.month - 1][moment.hour]] += Decimal(int(watt_hours)) / 1000
    total = Decimal(0)
    for period, kwh in zip(tariff["energy"]["periods"], used, strict=True):
        low, tiers = Decimal(0), tiers_of(period)
        for index, (rate, limit, per) in enumerate(tiers):
            high = None if index == len(tiers) - 1 or limit is None else limit * (month_days if per == "day" else 1)
            part = max(Decimal(0), (kwh if high is None else min(kwh, high)) - low)
            total += (part * rate).quantize(CENT, ROUND_HALF_UP)
            low = high or low
    return total


def test_published_tariffs_bill_as_by_hand(shared_data: Path) -> None:
    files = sorted((shared_data / "tariffs" / "ratebook" / "dataset" / "tariffs").glob("*.json"))
    assert len(files) == 48
    generator = np.random.default_rng(11)
    for number, path in enumerate(files):
        tariff = json.loads(path.read_text(encoding="utf-8"))
        month = a_period(f"2026-{number % 12 + 1:02d}", ZONE)
        values = generator.integers(0, 6000, month.slots(timedelta(hours=1)))
        panel = a_panel(values, month.start)
        bill = a_bill(panel, a_card(to_card(tariff), head=""), usage_point=UsagePoint("UP-1", ZONE))
        days = len(bill.daily_kwh)
        assert (path.stem, bill.total) == (path.stem, by_hand(tariff, panel, days))
