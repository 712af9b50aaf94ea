"""Image: the two states in which interval readings are kept, as they came and as VEE left them."""

from __future__ import annotations

from enum import StrEnum


class Image(StrEnum):
    """`raw`: what the meter sent (pre-VEE); `final`: what is billed, forecast and shown (post-VEE)."""

    RAW = "raw"
    FINAL = "final"
