"""A matrix as a small picture: colour ramp and PNG (RFC 2083) as a data URI, so that a year fits in some kilobytes."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

# Dark blue to yellow with rising lightness, so that it also reads in grey (anchors by eye, equal steps).
ANCHORS = ((18, 32, 84), (32, 73, 140), (40, 120, 160), (70, 165, 140), (160, 200, 90), (250, 220, 70))


def ramp(levels: int = 256) -> npt.NDArray[np.uint8]:
    """Return the colour ramp, uint8[levels, 3]."""
    at = np.linspace(0, len(ANCHORS) - 1, levels)
    channels = [np.interp(at, np.arange(len(ANCHORS)), [anchor[k] for anchor in ANCHORS]) for k in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def matrix_uri(values: npt.NDArray[np.floating[Any]], low: float, high: float) -> str:
    """Return a PNG data URI of float64[rows, columns]; NaN is transparent."""
    missing = np.isnan(values)
    span = high - low if high > low else 1.0
    index = np.clip(np.nan_to_num((values - low) / span) * 255, 0, 255).astype(np.uint8)
    pixels = np.empty((*values.shape, 4), np.uint8)
    pixels[..., :3] = ramp()[index]
    pixels[..., 3] = np.where(missing, 0, 255)
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode("ascii")


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Encode uint8[rows, columns, 4] as an RGBA PNG."""
    rows, columns, _ = pixels.shape
    # Each row begins with its filter type, 0 = none.
    raw = np.concatenate([np.zeros((rows, 1), np.uint8), pixels.reshape(rows, columns * 4)], axis=1)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
