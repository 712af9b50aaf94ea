"""Change the edge's master key: data keys and refused records are wrapped anew, and no record is encrypted again."""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from gridwright.domain.errors import GridwrightError, StoreError
from gridwright.durable import replace_file
from gridwright.edge.folder import QUARANTINE, locked
from gridwright.edge.rejected import FILE, sealed_line
from gridwright.edge.sealing import Seals
from gridwright.edge.segment import HEAD, LONGEST_KEY, NAME, key_frame, wrapped_in


def rotate(folder: Path, seals: Seals, *, drop_old: bool = False) -> tuple[str, int]:
    """Wrap everything in a buffer with a new master key; return its id and how many files were written anew.

    StoreLocked while its edge runs, or another process changes the keys of its file. A rotation that was interrupted is
    finished with the key that it made. Earlier keys stay in the key file until `drop_old`.
    """
    vault = seals.vault
    with locked(folder), vault.changing():
        keys = vault.key_ids() if vault.exists else []
        begun = len(keys) > 1 and any(_is_behind(path, seals, keys[0]) for path in _files(folder))
        current = keys[0] if begun else vault.add_key()
        behind = [path for path in _files(folder) if _is_behind(path, seals, current)]
        try:
            for path in behind:
                _rewrap(path, seals, current)
        except OSError as error:
            raise StoreError(
                f"it cannot be written anew: {(error.strerror or str(error)).lower()}",
                where=str(folder),
                remedy="make room, or the folder writable, and call it again: it goes on",
            ) from error
        if drop_old:
            vault.drop_old_keys()
    return current, len(behind)


def _files(folder: Path) -> list[Path]:
    """Return the files in which something is sealed: segments, those put aside too, and the refused records."""
    segments = [path for path in [*folder.iterdir(), *folder.glob(f"{QUARANTINE}/*")] if NAME.fullmatch(path.name)]
    return [*sorted(segments), *(path for path in [folder / FILE] if path.exists())]


def _is_behind(path: Path, seals: Seals, current: str) -> bool:
    return any(seals.vault.key_of(sealed) != current for sealed in _sealed_in(path))


def _sealed_in(path: Path) -> list[bytes]:
    if path.name == FILE:
        return [sealed for line in path.read_bytes().splitlines() if (sealed := _sealed_line(line)[1])]
    with path.open("rb") as file:
        wrapped = wrapped_in(file.read(HEAD.size + LONGEST_KEY), _epoch(path))
    return [wrapped] if wrapped else []


def _sealed_line(line: bytes) -> tuple[dict[str, Any], bytes]:
    with suppress(msgspec.DecodeError, binascii.Error):
        told: dict[str, Any] = msgspec.json.decode(line)
        return told, base64.b64decode(told.get("sealed", ""), validate=True)
    return {}, b""


def _rewrap(path: Path, seals: Seals, current: str) -> None:
    """Write a file anew beside it, and put it in its place."""
    content = path.read_bytes()
    if path.name == FILE:
        lines = [_line_anew(line, path, seals, current) for line in content.splitlines()]
        replace_file(path, b"".join(line + b"\n" for line in lines), durable=True)
        return
    epoch = _epoch(path)
    wrapped = wrapped_in(content, epoch)
    try:
        fresh = seals.vault.seal(seals.opened(wrapped, path))
    except GridwrightError:
        # What is put aside is evidence, not readings that wait: its key may be gone.
        if path.parent.name == QUARANTINE:
            return
        raise
    replace_file(path, key_frame(epoch, fresh) + content[HEAD.size + len(wrapped) :], durable=True)


def _line_anew(line: bytes, path: Path, seals: Seals, current: str) -> bytes:
    told, sealed = _sealed_line(line)
    if not sealed or seals.vault.key_of(sealed) == current:
        return line
    return sealed_line(told, seals.vault.seal(seals.opened(sealed, path)))


def _epoch(path: Path) -> str:
    match = NAME.fullmatch(path.name)
    return match[2] if match else ""
