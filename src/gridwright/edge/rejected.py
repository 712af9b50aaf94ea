"""Records that the centre refused: kept in a file on the edge, a JSON line each, with the reason."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from gridwright.api.edge_wire import Record
from gridwright.domain.interval import from_epoch_s
from gridwright.edge.folder import sync_folder

FILE = "rejected.jsonl"
MICRO = 1_000_000


class Rejected:
    """The file of refused records. One may be in it twice, after a crash; none is missing."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.count = self.path.read_bytes().count(b"\n") if self.path.exists() else 0

    def keep(self, epoch: str, records: Sequence[tuple[Record, Sequence[dict[str, Any]]]]) -> None:
        """Append records with what the centre said of them, and return once they are on the disk."""
        if not records:
            return
        fresh = not self.path.exists()
        lines = b"".join(msgspec.json.encode(line_of(epoch, record, said)) + b"\n" for record, said in records)
        with self.path.open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            sync_folder(self.path.parent)
        self.count += len(records)


def line_of(epoch: str, record: Record, said: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a refused record as a JSON object; a body that is no text is shown with escapes."""
    return {
        "epoch": epoch,
        "sequence": record.sequence,
        "received": from_epoch_s(record.received_us / MICRO).isoformat(),
        "path": record.path,
        "content_type": record.media,
        "query": record.query,
        "body": record.body.decode("utf-8", "backslashreplace"),
        "verdicts": list(said),
    }
