"""Who lives where: each usage point with its kind, its transformer, its car and its battery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridwright.simulate.town import Kind

# What stands on a street of six: the pattern repeats from transformer to transformer.
STREETS: tuple[tuple[Kind, ...], ...] = (
    (Kind.HOME, Kind.PV_HOME, Kind.HOME, Kind.HEAT_PUMP_HOME, Kind.HOME, Kind.SHOP),
    (Kind.HOME, Kind.HOME, Kind.PV_HOME, Kind.HOME, Kind.PV_HOME, Kind.HOME),
    (Kind.SHOP, Kind.HOME, Kind.HOME, Kind.PV_HOME, Kind.HOME, Kind.HEAT_PUMP_HOME),
    (Kind.FACTORY, Kind.SHOP, Kind.HOME, Kind.HOME, Kind.PV_HOME, Kind.HOME),
)
PER_TRANSFORMER = 6
TRANSFORMERS_PER_FEEDER = 2
BATTERY_SHARE, CAR_SHARE = 0.6, 0.35
BATTERY_KWH, BATTERY_KW = 8.0, 4.0
CHARGER_KW = 7.4
HOMES = (Kind.HOME, Kind.PV_HOME, Kind.HEAT_PUMP_HOME)


@dataclass(frozen=True, slots=True)
class Site:
    """One usage point of the town; `distance`: 0 at the transformer, 1 at the end of the line."""

    usage_point: str
    kind: Kind
    transformer: str
    feeder: str
    distance: float
    charger_kw: float = 0.0
    battery_kwh: float = 0.0
    battery_kw: float = 0.0


def sites_of(n: int, seed: int, *, first_id: int = 1001) -> tuple[Site, ...]:
    """Return `n` usage points street by street; the same arguments give the same town."""
    rng = np.random.default_rng([seed, 11])
    draws = rng.random((n, 2))
    return tuple(_site(i, n, draws[i], first_id) for i in range(n))


def _site(i: int, n: int, draw: Sequence[float], first_id: int) -> Site:
    transformer = i // PER_TRANSFORMER
    feeder = transformer // TRANSFORMERS_PER_FEEDER
    kind = STREETS[transformer % len(STREETS)][i % PER_TRANSFORMER]
    battery = kind is Kind.PV_HOME and draw[0] < BATTERY_SHARE
    car = kind in HOMES and draw[1] < CAR_SHARE
    street = min(PER_TRANSFORMER, n - transformer * PER_TRANSFORMER)
    return Site(
        usage_point=f"UP-{first_id + i}",
        kind=kind,
        transformer=f"T-{transformer + 1}",
        feeder=f"F-{feeder + 1}",
        distance=(i % PER_TRANSFORMER + 1) / street,
        charger_kw=CHARGER_KW if car else 0.0,
        battery_kwh=BATTERY_KWH if battery else 0.0,
        battery_kw=BATTERY_KW if battery else 0.0,
    )
