"""Records that the centre refused: kept in a file on the edge, a JSON line each, with the reason, sealed as the buffer.

A sealed line tells epoch, number and receipt alone; the rest is in `sealed`, under the edge's master key.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from gridwright.api.edge.wire import Record
from gridwright.domain.interval import DAY_S, MICRO, from_epoch_s
from gridwright.durable import private, replace_file, sync
from gridwright.edge.sealing import Seals

FILE = "rejected.jsonl"
PLAIN = ("epoch", "sequence", "received")
# A record, the first verdicts on it, and the places (index, line) of all that was refused of it; none: all, or unknown.
Said = tuple[Record, Sequence[dict[str, Any]], Sequence[tuple[int, int]]]


class Rejected:
    """The file of refused records. One may be in it twice, after a crash; none is missing.

    `now_us`: the centre's time, None while that is not known; then none is too old, for the edge's own clock may be
    years ahead.
    """

    def __init__(
        self,
        folder: Path,
        seals: Seals | None = None,
        *,
        keep_days: float | None = None,
        now_us: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.path, self._keep_days, self._now_us = folder / FILE, keep_days, now_us
        self._forget()
        self._vault = seals.vault if seals is not None and seals.seals else None
        self.count = self.path.read_bytes().count(b"\n") if self.path.exists() else 0

    def keep(self, epoch: str, records: Sequence[Said]) -> None:
        """Append records with what the centre said of them, and return once they are on the disk."""
        if not records:
            return
        self._forget()
        fresh = not self.path.exists()
        lines = b"".join(self._line(line_of(epoch, *one)) for one in records)
        with open(self.path, "a+b", opener=private) as file:
            # A line that a full disk or a crash cut stays alone: joined to it, the next one could not be read either.
            file.write(_end_of_cut_line(file) + lines)
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            sync(self.path.parent)
        self.count += len(records)

    def take_back(self, epoch: str, sequences: Collection[int]) -> None:
        """Take records out again that were kept before the centre was to be told of them, and still wait."""
        if not sequences or not self.path.exists():
            return
        lines = self.path.read_bytes().splitlines()
        left = [line for line in lines if not _is_of(line, epoch, sequences)]
        replace_file(self.path, b"".join(line + b"\n" for line in left), durable=True)
        self.count = len(left)

    def _forget(self) -> None:
        """Drop lines that are older than they are kept; a line that cannot be read is kept."""
        now_us = self._now_us()
        if self._keep_days is None or now_us is None or not self.path.exists():
            return
        before = from_epoch_s(now_us / MICRO - self._keep_days * DAY_S).isoformat()
        lines = self.path.read_bytes().splitlines()
        left = [line for line in lines if _received(line) >= before]
        if len(left) < len(lines):
            replace_file(self.path, b"".join(line + b"\n" for line in left), durable=True)
            self.count = len(left)

    def _line(self, told: dict[str, Any]) -> bytes:
        content = msgspec.json.encode(told)
        if self._vault is not None:
            content = sealed_line(told, self._vault.seal(content))
        return content + b"\n"


def _end_of_cut_line(file: IO[bytes]) -> bytes:
    if not file.seek(0, os.SEEK_END):
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"


def sealed_line(told: dict[str, Any], sealed: bytes) -> bytes:
    """Return a sealed line, without its end."""
    text = base64.b64encode(sealed).decode()
    return msgspec.json.encode({**{name: told[name] for name in PLAIN}, "sealed": text})


def _is_of(line: bytes, epoch: str, sequences: Collection[int]) -> bool:
    with suppress(msgspec.DecodeError, KeyError):
        told = msgspec.json.decode(line)
        return told["epoch"] == epoch and told["sequence"] in sequences
    return False


def _received(line: bytes) -> str:
    with suppress(msgspec.DecodeError, KeyError):
        return str(msgspec.json.decode(line)["received"])
    return "?"


def read_rejected(folder: Path, seals: Seals) -> Iterator[dict[str, Any]]:
    """Yield the refused records of a folder, opened; a line that a crash cut is left out."""
    path = folder / FILE
    for line in path.read_bytes().splitlines() if path.exists() else ():
        told = opened_line(line, path, seals)
        if told is not None:
            yield told


def opened_line(line: bytes, path: Path, seals: Seals) -> dict[str, Any] | None:
    """Return a refused record as `line_of` made it; None where a crash cut its line."""
    with suppress(msgspec.DecodeError, binascii.Error):
        told: dict[str, Any] = msgspec.json.decode(line)
        sealed = told.get("sealed")
        if sealed is not None:
            told = msgspec.json.decode(seals.opened(base64.b64decode(sealed, validate=True), path))
        return told
    return None


def line_of(
    epoch: str, record: Record, said: Sequence[dict[str, Any]], refused: Sequence[tuple[int, int]] = ()
) -> dict[str, Any]:
    """Return a refused record as a JSON object; a body that is no text is shown with escapes, and kept in base64."""
    body = record.body.decode("utf-8", "backslashreplace")
    told = {
        "epoch": epoch,
        "sequence": record.sequence,
        "received": from_epoch_s(record.received_us / MICRO).isoformat(),
        "clock": record.clock,
        "path": record.path,
        "content_type": record.media,
        "query": record.query,
        "body": body,
        "verdicts": list(said),
    }
    if refused:
        told["refused"] = list(refused)
    if body.encode() != record.body:
        told["base64"] = base64.b64encode(record.body).decode()
    return told


def body_of(told: Mapping[str, Any]) -> bytes:
    """Return the body that `line_of` was given."""
    whole = told.get("base64")
    return str(told["body"]).encode() if whole is None else base64.b64decode(whole)
