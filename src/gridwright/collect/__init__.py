"""Collect, the head-end: commissioning, what is due, conversations with devices, retries, and gaps asked for again."""

from __future__ import annotations

from gridwright.collect.commissioning import CommissionPolicy, commission
from gridwright.collect.converse import Harvest, converse
from gridwright.collect.gaps import holes, spans, without
from gridwright.collect.gate import Gate
from gridwright.collect.plan import Known, ReadOrder, ReadPolicy, channels_of, is_due, order_of

__all__ = [
    "CommissionPolicy",
    "Gate",
    "Harvest",
    "Known",
    "ReadOrder",
    "ReadPolicy",
    "channels_of",
    "commission",
    "converse",
    "holes",
    "is_due",
    "order_of",
    "spans",
    "without",
]
