"""The 300 records: a day of one channel, decoded for all days of one length at once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S
from gridwright.domain.verdict import Reject
from gridwright.formats.far_dates import REMEDY, far_date
from gridwright.formats.nem12.layout import RETURN, Index, Layout
from gridwright.formats.nem12.numbers import to_counts
from gridwright.formats.nem12.qualities import (
    UNREADABLE,
    VARIABLE,
    Ranges,
    as_told,
    quality_bytes,
    reject_range,
    spread,
)
from gridwright.formats.row_verdicts import LONGEST_VALUE
from gridwright.formats.source import KEPT_REJECTS
from gridwright.formats.text import shortened, text_of

DATE_LENGTH = 8
YEARS = (1970, 2200)
LETTERS = np.frombuffer(b"AESFNVaesfnv", np.uint8)
METHOD = re.compile(r"\s*[AESFNV](\d\d)?\s*", re.IGNORECASE)
BESIDE = 7  # fields of a 300 record that are no values: indicator, date, method, two reasons, two stamps
BEFORE_STAMP = 3  # fields between the last value and UpdateDateTime
CENTURIES = np.frombuffer(b"12", np.uint8)
STAMPS = (12, 14)  # digits of an UpdateDateTime that no value has
DAY_MINUTES = 1440
SHOWN = 80  # characters of a record that a verdict repeats
UNDATED = ("date is not yyyymmdd", "correct field 2", 1)


@dataclass(slots=True)
class Verdicts:
    """Rejects as they arise: the first KEPT_REJECTS with their text, all of them counted in readings lost."""

    kept: list[Reject] = field(default_factory=list)
    count: int = 0

    def add(self, reject: Reject, readings: int = 1) -> None:
        """Take note of one reject that costs so many readings."""
        self.count += readings
        if len(self.kept) < KEPT_REJECTS:
            value = shortened(reject.value, LONGEST_VALUE)  # a field may be as long as the file
            self.kept.append(reject if value == reject.value else replace(reject, value=value))


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """`values`: float64[days, slots] in counts; `quality`: uint8 of that shape; `day_s`: epoch seconds of midnight UTC.

    `line`: place of each day's record in the layout; `wrong`: which values are rejected.
    """

    line: Index
    day_s: Index
    values: npt.NDArray[np.float64]
    quality: q.Qualities
    wrong: npt.NDArray[np.bool_]


def days_of(whole: Layout, lines: Index, slots: int, *, places: Index, ranges: Ranges, verdicts: Verdicts) -> Days:
    """Decode the 300 records at `lines`, which all have `slots` values; what cannot be read goes to `verdicts`."""
    quality = quality_bytes(whole.text, *whole.field_bounds(lines, slots + 2))
    fit = _long_enough(whole, lines, slots, quality, verdicts)
    day_s, dated = dates(whole, lines)
    _reject_days(whole, lines[fit & ~dated], slots, UNDATED, verdicts)
    keep = fit & dated
    odd = keep & (quality == UNREADABLE)
    surplus = odd & _numeric(whole, lines, slots + 2)
    for line in lines[surplus].tolist():
        _reject_days(whole, np.array([line]), slots, _too_many(whole.record(line), slots), verdicts)
    _reject_days(
        whole, lines[odd & ~surplus], slots, ("quality method unknown", "A, E, S, F, N or V", slots + 2), verdicts
    )
    keep &= ~odd
    quality = as_told(quality, whole, lines, slots + 4)
    spread_out = np.repeat(quality[:, None], slots, axis=1)
    unfinished, wrong = spread(spread_out, ranges.of(keep), slots)
    for line, why in wrong:
        verdicts.add(reject_range(whole, line, why), 0)
    advice = ("quality V, but the 400 records do not fit its intervals", "correct the 400 records", slots + 2)
    _reject_days(whole, lines[keep & unfinished], slots, advice, verdicts)
    keep &= ~unfinished
    values, wrong_values = _values(whole, lines[keep], slots, places[keep], verdicts)
    quality_kept = spread_out[keep]
    quality_kept[np.isnan(values)] = q.MISSING
    values[quality_kept == q.MISSING] = np.nan
    return Days(lines[keep], day_s[keep], values, quality_kept, wrong_values)


def _long_enough(
    whole: Layout, lines: Index, slots: int, quality: q.Qualities, verdicts: Verdicts
) -> npt.NDArray[np.bool_]:
    """Tell which records hold all their values: one with too few has what stands behind them among them."""
    fields = whole.last[lines] - whole.first[lines] + 1
    fit: npt.NDArray[np.bool_] = (fields >= slots + 2) & ~_methods(whole, lines, slots + 1)
    doubtful = np.flatnonzero(fit & ((quality == UNREADABLE) | (quality == q.RAW)))
    fit[doubtful] = ~_shifted(whole, lines[doubtful], slots)
    for line, count in zip(lines[~fit].tolist(), fields[~fit].tolist(), strict=True):
        reason = f"{values_before_quality(whole.record(line))} values where {slots} are due"
        due = f"{count} fields, and a day of {slots} values has {slots + BESIDE}"
        remedy = f"{due}: fetch a record that was cut again; else correct the interval length"
        _reject_days(whole, np.array([line]), slots, (reason, remedy, 1), verdicts)
    return fit


def _too_many(record: str, slots: int) -> tuple[str, str, int]:
    """Return what is wrong with a day of more values than are due, and the interval length that so many have."""
    count = values_before_quality(record)
    remedy = "correct the interval length of its 200 record"
    if count and DAY_MINUTES % count == 0:
        remedy += f": so many are of {DAY_MINUTES // count} minutes (--interval-minutes {DAY_MINUTES // count})"
    return f"{count} values where {slots} are due", remedy, 1


def _methods(whole: Layout, lines: Index, at: int) -> npt.NDArray[np.bool_]:
    """Tell where field `at` is a quality method."""
    start, end = whole.field_bounds(lines, at)
    lettered: npt.NDArray[np.bool_] = np.isin(whole.text[start], LETTERS) & (end > start)
    if lettered.any():
        lettered[lettered] = quality_bytes(whole.text, start[lettered], end[lettered]) != UNREADABLE
    return lettered


def _shifted(whole: Layout, lines: Index, slots: int) -> npt.NDArray[np.bool_]:
    """Tell which records have a quality method, or an UpdateDateTime, in front of where it belongs."""
    places = whole.first[lines][:, None] + np.arange(1, slots + BESIDE - 1)
    after = whole.separators[np.minimum(places, whole.last[lines][:, None])]
    begin, length = np.minimum(after[:, :-1] + 1, whole.text.size - 1), np.diff(after, axis=1) - 1
    first = whole.text[begin]
    likely = (np.isin(first, LETTERS) & (length > 0)) | (np.isin(first, CENTURIES) & np.isin(length, STAMPS))
    shifted = np.zeros(lines.size, np.bool_)
    for row in np.flatnonzero(likely.any(axis=1)).tolist():
        fields = whole.record(int(lines[row])).split(",")[2 : slots + BESIDE - 2]
        shifted[row] = any(METHOD.fullmatch(text) for text in fields[:slots]) or any(map(_is_stamp, fields))
    return shifted


def _is_stamp(text: str) -> bool:
    return len(text) in STAMPS and text.isdigit()


def values_before_quality(record: str) -> int:
    """Count the values of a 300 record: the fields after the date, up to the first that begins with a letter.

    Where the quality method is lacking, UpdateDateTime tells where the values end.
    """
    fields = record.split(",")[2:]
    letter = next((at for at, text in enumerate(fields) if text[:1].isalpha()), len(fields))
    stamp = next((at for at, text in enumerate(fields) if _is_stamp(text)), len(fields) + BEFORE_STAMP)
    return min(letter, max(stamp - BEFORE_STAMP, 0))


def _numeric(whole: Layout, lines: Index, at: int) -> npt.NDArray[np.bool_]:
    start, end = whole.field_bounds(lines, at)
    digit = whole.text[start] - np.uint8(ord("0"))
    numeric: npt.NDArray[np.bool_] = (end > start) & ((digit <= 9) | (whole.text[start] == ord(".")))  # noqa: PLR2004
    return numeric


def dates(whole: Layout, lines: Index, at: int = 1) -> tuple[Index, npt.NDArray[np.bool_]]:
    """Read the yyyymmdd in field `at` of each line: (epoch seconds of that midnight UTC, which are dates)."""
    start, end = whole.field_bounds(lines, at)
    safe = np.minimum(start, whole.text.size - DATE_LENGTH)
    digits = whole.text[safe[:, None] + np.arange(DATE_LENGTH)].astype(np.int64) - ord("0")
    number = digits @ (10 ** np.arange(DATE_LENGTH - 1, -1, -1))
    year, month, day = number // 10_000, number // 100 % 100, number % 100
    dated = (end - start == DATE_LENGTH) & ((digits >= 0) & (digits <= 9)).all(axis=1)  # noqa: PLR2004 - digits
    dated &= (year >= YEARS[0]) & (year < YEARS[1]) & (month >= 1) & (month <= 12) & (day >= 1)  # noqa: PLR2004
    months = np.where(dated, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    next_first = (months + 1).astype("datetime64[D]").astype(np.int64)
    dated &= day <= next_first - first
    return (first + day - 1) * DAY_S, dated


def _values(
    whole: Layout, lines: Index, slots: int, places: Index, verdicts: Verdicts
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Read the values, and tell which are wrong; one that is no number costs only itself."""
    after = whole.separators[whole.first[lines][:, None] + np.arange(1, slots + 2)]
    start, end = (after[:, :-1] + 1).reshape(-1), after[:, 1:].reshape(-1)
    end = end - (whole.text[end - 1] == RETURN)
    values, wrong = to_counts(whole.text, start, np.maximum(end, start), np.repeat(places, slots))
    for cell in np.flatnonzero(wrong):
        line, slot = lines[cell // slots], cell % slots
        text = text_of(whole.text[start[cell] : end[cell]].tobytes())
        reason = f"value {slot + 1} of {slots} is no number"
        verdicts.add(Reject(int(whole.number[line]), reason, "correct it", text, whole.record(int(line))[:SHOWN]))
    return values.reshape(lines.size, slots), wrong.reshape(lines.size, slots)


def _reject_days(whole: Layout, lines: Index, slots: int, advice: tuple[str, str, int], verdicts: Verdicts) -> None:
    """Refuse whole days; `advice`: (reason, remedy, the field that shows it)."""
    at = advice[2]
    for line in lines.tolist():
        record = whole.record(line)
        value = (record.split(",")[at : at + 1] or [""])[0]
        far = far_date(value) if advice is UNDATED else ""
        reason, remedy = (f"date {far}", REMEDY) if far else advice[:2]
        verdicts.add(Reject(int(whole.number[line]), reason, remedy, value, record[:SHOWN]), slots)


__all__ = ["VARIABLE", "Days", "Verdicts", "dates", "days_of"]
