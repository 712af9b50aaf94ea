"""What earlier runs left in the folder of a buffer: its files in order, complete and with their keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gridwright.domain.errors import StoreCorrupt
from gridwright.edge.sealing import DataKey, Seals
from gridwright.edge.segment import Segment, seal, segment_of


def found_in(folder: Path, seals: Seals | None) -> list[Segment]:
    """Return what earlier runs left, in order; a file that was not sealed is now, as far as it is sound."""
    segments = [segment for path in folder.iterdir() if (segment := segment_of(path)) is not None]
    segments.sort(key=lambda one: one.ordinal)
    for segment in segments:
        # Bytes behind the last sound record: a write that a crash cut, or damage; nobody can tell, so it is kept.
        segment.damaged = segment.path.stat().st_size > segment.size
        seal(segment)
    _unlock(segments, seals)
    return segments


def _unlock(segments: Sequence[Segment], seals: Seals | None) -> None:
    """Unwrap the data keys of files; one whose own is damaged may have that of its epoch."""
    of_epoch: dict[str, DataKey] = {}
    for segment in segments:
        if not segment.wrapped:
            continue
        if seals is None:
            raise StoreCorrupt("it is sealed, and no key was given", where=str(segment.path), remedy="give the key")
        segment.key = of_epoch[segment.epoch] = seals.unwrapped(segment.wrapped, segment.path)
    for segment in segments:
        segment.key = segment.key or of_epoch.get(segment.epoch)
