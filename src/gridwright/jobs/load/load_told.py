"""What sources said of meters and was kept because it is not what is installed, as the store has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from gridwright.domain.access import Access
from gridwright.domain.told import ToldConfiguration
from gridwright.store import Store
from gridwright.vee.circumstances import Configuration

TOLD = "told-configuration"


def load_told(store: Store, access: Access, names: Sequence[str]) -> dict[str, list[Configuration]]:
    """Return what was said of each usage point."""
    return {
        each.subject: [
            Configuration(one.period, end_device=one.end_device, multiplier=one.multiplier, dials=one.dials)
            for one in from_body(each.subject, each.body)
        ]
        for each in store.outlooks.several(access, TOLD, names)
    }


def to_body(told: Sequence[ToldConfiguration]) -> dict[str, Any]:
    """Return what JSON holds of one usage point."""
    return {
        "told": [
            [
                each.since_s,
                each.until_s,
                each.end_device,
                None if each.multiplier is None else str(each.multiplier),
                each.dials,
            ]
            for each in told
        ]
    }


def from_body(point: str, body: Mapping[str, Any]) -> list[ToldConfiguration]:
    """Read it back."""
    return [
        ToldConfiguration(
            point,
            start,
            end,
            device,
            None if factor is None else Decimal(factor),
            dials,
        )
        for start, end, device, factor, dials in body["told"]
    ]
