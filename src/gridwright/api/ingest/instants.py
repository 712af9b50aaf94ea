"""Instants as they are written: ISO 8601 with an offset, or seconds or milliseconds since 1970, as microseconds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.api.ingest.meaning import Wrong
from gridwright.api.ingest.verdicts import Fault
from gridwright.domain.interval import EPOCH, MICRO, from_epoch_s
from gridwright.formats.far_dates import REMEDY, far_date

Whole = npt.NDArray[np.int64]
MICROSECOND = timedelta(microseconds=1)
MILLISECONDS_FROM = 1e11  # as seconds that would be the year 5138
LAST_S = 253_402_300_799  # 9999-12-31T23:59:59Z
FIRST_LIKELY_S, LAST_LIKELY_S = 946_684_800, 4_102_444_800  # 2000 to 2100
HOW = "write it like 2026-11-25T10:00:00Z, with an offset, or as seconds since 1970"


def instant_us(value: object, field: str) -> int:
    """Read one instant; Wrong where it is none, or where nothing tells its zone."""
    if isinstance(value, bool) or value is None or value == "":
        raise Wrong(Fault(field, "there is no instant", HOW), value)
    number = _number(value) if isinstance(value, str) else value
    if isinstance(number, int | float):
        return _of_number(number, field, value)
    try:
        moment = datetime.fromisoformat(_upper(str(value).strip()))
    except ValueError:
        raise Wrong(_no_instant(field, str(value)), value) from None
    if moment.tzinfo is None:
        raise Wrong(Fault(field, "nothing tells its time zone", "add an offset, such as Z or +01:00"), value)
    try:
        return (moment - EPOCH) // MICROSECOND
    except OverflowError:
        raise Wrong(Fault(field, "this is no instant", HOW), value) from None


def _no_instant(field: str, text: str) -> Fault:
    """Return what is wrong with a text that is no instant: a date may lie beyond the years that we read."""
    far = far_date(text)
    return Fault(field, f"it {far}", REMEDY) if far else Fault(field, "this is no instant", HOW)


def _no_number(field: str, number: float) -> Fault:
    """Return what is wrong with a number beyond the year 9999: it may count smaller units of our own time."""
    for power, unit in ((6, "microseconds"), (9, "nanoseconds")):
        if FIRST_LIKELY_S * 10**power <= number <= LAST_LIKELY_S * 10**power:
            return Fault(field, f"it lies beyond the year 9999; it may count {unit}", "send seconds or milliseconds")
    return Fault(field, "this is no instant", HOW)


@lru_cache(maxsize=1024)
def told_us(text: str) -> int | None:
    """Read an instant told as text, None where it is none; meters that send on the quarter of an hour name the same."""
    try:
        return instant_us(text, "at")
    except Wrong:
        return None


def _upper(text: str) -> str:
    """RFC 3339 lets the Z be small, too."""
    return f"{text[:-1]}Z" if text.endswith("z") else text


def written(at_us: int) -> str:
    """Return an instant as an answer may repeat it: the number where it lies in no year that has a name."""
    try:
        return from_epoch_s(at_us / MICRO).isoformat()
    except OverflowError:
        return f"{at_us / MICRO:.15g}"


def _number(text: str) -> float | None:
    try:
        return float(text) if text.isascii() and text.strip().lstrip("-").replace(".", "", 1).isdigit() else None
    except ValueError:
        return None


def _of_number(number: float, field: str, told: object) -> int:
    if not abs(number) <= LAST_S * 1000:  # also NaN, and a whole number that no float holds
        raise Wrong(_no_number(field, number), told)
    seconds = number / 1000 if abs(number) >= MILLISECONDS_FROM else float(number)
    return round(seconds * MICRO)


def instants_us(values: Sequence[Any]) -> Whole | None:
    """Read many instants at once, all text or all numbers; None where one of them needs a closer look."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = set(map(type, values))
    if kinds == {str}:
        try:
            stamps = pc.cast(pa.array(values, pa.string()), pa.timestamp("us", tz="UTC"))
        except pa.ArrowInvalid:
            return None
        read: Whole = stamps.cast(pa.int64()).to_numpy()
        return read
    if kinds and kinds <= {int, float}:
        try:
            return numbers_us(np.array(values, np.float64))
        except OverflowError:  # a whole number that no float holds
            return None
    return None


def numbers_us(numbers: npt.NDArray[np.float64]) -> Whole | None:
    """Read epoch seconds or milliseconds; None where one of them is no instant."""
    seconds = np.where(np.abs(numbers) >= MILLISECONDS_FROM, numbers / 1000, numbers)
    if not np.isfinite(seconds).all() or (np.abs(seconds) > LAST_S).any():
        return None
    whole: Whole = np.rint(seconds * MICRO).astype(np.int64)
    return whole
