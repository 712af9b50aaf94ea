"""Deliver a town through the entrances that real devices use: HTTP, in batches and singly, and meters on a port."""

from gridwright.simulate.delivery.batches import Batch, history, late_batches
from gridwright.simulate.delivery.entrance import Delivered, Entrance, Refused
from gridwright.simulate.delivery.follow import Pace, follow
from gridwright.simulate.delivery.meters import meter_of, meters_of
from gridwright.simulate.delivery.register import register_over_http

__all__ = [
    "Batch",
    "Delivered",
    "Entrance",
    "Pace",
    "Refused",
    "follow",
    "history",
    "late_batches",
    "meter_of",
    "meters_of",
    "register_over_http",
]
