"""Deliver a town through the entrances that real devices use: HTTP, in batches and singly, and meters on a port."""

from gridwright.simulate.delivery.batches import Batch, history, late_batches, register_batches
from gridwright.simulate.delivery.entrance import Delivered, Entrance, Refused
from gridwright.simulate.delivery.follow import LATE_BY, Pace, follow, told
from gridwright.simulate.delivery.meters import meter_of, meters_of
from gridwright.simulate.delivery.register import register_over_http
from gridwright.simulate.delivery.resume import Story, load_story, save_story

__all__ = [
    "LATE_BY",
    "Batch",
    "Delivered",
    "Entrance",
    "Pace",
    "Refused",
    "Story",
    "follow",
    "history",
    "late_batches",
    "load_story",
    "meter_of",
    "meters_of",
    "register_batches",
    "register_over_http",
    "save_story",
    "told",
]
