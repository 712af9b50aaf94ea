"""Decode the next piece of a file in a process of its own, while this one judges and writes the piece before it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Self

from gridwright.domain.finding import Finding
from gridwright.domain.reading_type import Accumulation
from gridwright.formats.source import Chunk, Decoded, Dialect, Reader
from gridwright.ingest import Gridded, grid_series
from gridwright.jobs.files.brought import named
from gridwright.jobs.files.collector import seldom_collected
from gridwright.jobs.files.hung_meters import HungMeters
from gridwright.jobs.files.read_file import OpenFile, arrival_findings
from gridwright.jobs.files.sources import open_source

# A smaller file is read before a second process has begun.
LEAST_PIECES = 3
LEAST_BYTES = 4 << 20
COMMAND = "import sys; from gridwright.jobs.files.decode_ahead import serve; serve(sys.stdin.buffer, sys.stdout.buffer)"


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A decoded chunk; `gridded` and the doubts on `arrival` where no stored register read is needed for them.

    With `gridded` the series of `decoded` keep their usage points only.
    """

    chunk: Chunk
    decoded: Decoded
    gridded: Gridded | None = None
    arrival: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Which file a worker reads, and how: the path, which of the files it holds, how long that one is."""

    path: Path
    name: str
    byte_size: int
    reader: Reader[Any]
    dialect: Dialect
    hung: HungMeters
    not_after: int | None


def pieces(path: Path, file: OpenFile, after: int, *, not_after: int | None) -> Iterator[Piece]:
    """Yield the pieces of a file from byte `after` on, in order; where it has several, they are decoded ahead."""
    chunks = file.reader.chunks(file.content.data, file.dialect, after)
    first = list(islice(chunks, LEAST_PIECES))
    small = len(first) < LEAST_PIECES or len(file.content.data) < LEAST_BYTES
    if small or (os.cpu_count() or 1) == 1:
        yield from (_piece(file, chunk, not_after) for chunk in chain(first, chunks))
        return
    content = file.content
    place = Place(path, content.name, len(content.data), file.reader, file.dialect, file.hung, not_after)
    with _Worker(place) as worker:
        yield from worker.decode(file, chain(first, chunks))


def _piece(file: OpenFile, chunk: Chunk, not_after: int | None) -> Piece:
    decoded = file.decode(chunk)
    if any(series.reading_type.accumulation is Accumulation.CUMULATIVE for series in decoded.series):
        # Registers are laid beside the stored ones, which a worker does not know.
        return Piece(chunk, decoded)
    gridded = grid_series(decoded.series, not_after=not_after)
    arrival = tuple(arrival_findings(decoded.series, gridded.tally, not_after))
    names_alone = tuple(
        replace(
            series,
            points=tuple(named(series)),
            point=series.point[:0],
            at=series.at[:0],
            value=series.value[:0],
            quality=series.quality[:0],
            line=series.line[:0],
        )
        for series in decoded.series
    )
    return Piece(chunk, replace(decoded, series=names_alone), gridded, arrival)


class _Worker:
    """A process that decodes one chunk after the other; its pipe holds it back, so it is one piece ahead at most."""

    def __init__(self, place: Place) -> None:
        # In a session of its own: an interrupt is for the import, which then lets it go.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
            [sys.executable, "-c", COMMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._place = place
        self._alive = self._send(place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process.wait()

    def decode(self, file: OpenFile, chunks: Iterator[Chunk]) -> Iterator[Piece]:
        """Yield the pieces; what a worker that died leaves undone is done here."""
        # The first one is decoded here, while the worker comes to life.
        here, waiting = next(chunks), next(chunks)
        self._alive = self._alive and self._send(waiting)
        yield _piece(file, here, self._place.not_after)
        for chunk in chunks:
            self._alive = self._alive and self._send(chunk)
            yield self._receive(file, waiting)
            waiting = chunk
        yield self._receive(file, waiting)

    def _send(self, what: object) -> bool:
        try:
            pickle.dump(what, self._stdin, pickle.HIGHEST_PROTOCOL)
            self._stdin.flush()
        except (OSError, pickle.PicklingError, AttributeError):
            return False
        return True

    def _receive(self, file: OpenFile, chunk: Chunk) -> Piece:
        try:
            piece = pickle.load(self._stdout) if self._alive else None  # noqa: S301 - from our own child
        except (EOFError, OSError, pickle.UnpicklingError):
            piece = None
        if isinstance(piece, Exception):
            raise piece
        if not isinstance(piece, Piece):
            self._alive = False
            return _piece(file, chunk, self._place.not_after)
        return piece

    @property
    def _stdin(self) -> IO[bytes]:
        return _there(self._process.stdin)

    @property
    def _stdout(self) -> IO[bytes]:
        return _there(self._process.stdout)


def _there(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise OSError("no pipe to the decoding process")
    return pipe


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer one chunk after the other until the input ends; what is wrong with the file is an answer too."""
    with suppress(EOFError, BrokenPipeError):  # whoever asked is gone
        place: Place = pickle.load(source)  # noqa: S301 - from our own parent
        contents = open_source(place.path)
        content = next((one for one in contents if (one.name, len(one.data)) == (place.name, place.byte_size)), None)
        if content is None:  # it was replaced meanwhile
            return
        file = OpenFile(content, place.reader, place.dialect, place.hung)
        with seldom_collected():
            while True:
                chunk: Chunk = pickle.load(source)  # noqa: S301 - from our own parent
                pickle.dump(_answer(file, chunk, place.not_after), sink, pickle.HIGHEST_PROTOCOL)
                sink.flush()


def _answer(file: OpenFile, chunk: Chunk, not_after: int | None) -> Piece | Exception:
    try:
        return _piece(file, chunk, not_after)
    except Exception as error:  # noqa: BLE001 - raised again where the import runs
        return error
