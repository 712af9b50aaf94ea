"""What the centre refused, sent once more: back into the buffer, with the instant that each record had."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from gridwright.api.edge.decode import FAR, Decoders, Kept, faults_of, has_receipt_time
from gridwright.api.edge.wire import ClockTrust
from gridwright.durable import replace_file
from gridwright.edge.entry import told_again
from gridwright.edge.refused_part import refused_part
from gridwright.edge.rejected import FILE, body_of, opened_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gridwright.edge.buffer import Buffer
    from gridwright.edge.sealing import Seals

AT_ONCE = 500  # records that share a sync
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Resent(NamedTuple):
    """How many records wait in the buffer again, and how many lines stay in the file."""

    resent: int
    left: int


def resend(buffer: Buffer, seals: Seals, decoders: Decoders, *, reason: str = "") -> Resent:
    """Put the refused records, or those for which `reason` is named, back into the buffer, oldest first.

    A line leaves the file once its record is durable in the buffer; a crash in between sends it twice, which a centre
    takes as the same reading. StoreFull where the buffer has no room: the rest stays in the file.
    """
    path = buffer.folder / FILE
    lines = path.read_bytes().splitlines() if path.exists() else []
    chosen: dict[int, bytes] = {}
    seen: dict[tuple[str, int], int] = {}
    twice = set()
    for place, line in enumerate(lines):
        told = opened_line(line, path, seals)
        if told is None or not is_for(told, reason):
            continue
        key = (str(told["epoch"]), int(told["sequence"]))
        if seen.setdefault(key, place) == place:
            chosen[place] = _payload(told, decoders)
        else:
            twice.add(place)  # written again after a crash
    done: set[int] = set()
    try:
        for part in _parts(list(chosen)):
            buffer.append([chosen[place] for place in part])
            done |= set(part)
    finally:
        gone = done | {place for place in twice if done}
        left = [line for place, line in enumerate(lines) if place not in gone]
        if gone:
            replace_file(path, b"".join(line + b"\n" for line in left), durable=True)
    return Resent(len(done), len(left))


def is_for(told: Mapping[str, Any], reason: str) -> bool:
    """Tell whether one of a record's verdicts names `reason`, in any case of letters."""
    return not reason or any(reason.lower() in str(value).lower() for one in told["verdicts"] for value in one.values())


def _payload(told: Mapping[str, Any], decoders: Decoders) -> bytes:
    kept = Kept(str(told["path"]), str(told["content_type"]), str(told["query"]), body_of(told))
    kept = refused_part(kept, told, decoders)
    received_us = (datetime.fromisoformat(told["received"]) - EPOCH) // timedelta(microseconds=1)
    decoded = faults_of(lambda: decoders.decode(kept, FAR))
    stamped = not isinstance(decoded, dict) and has_receipt_time(decoded)
    return told_again(kept, received_us, ClockTrust(told.get("clock", ClockTrust.RIGHT)), stamped=stamped)


def _parts(places: Sequence[int]) -> list[Sequence[int]]:
    return [places[at : at + AT_ONCE] for at in range(0, len(places), AT_ONCE)]
