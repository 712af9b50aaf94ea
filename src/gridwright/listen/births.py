"""What Sparkplug's births said, kept over a restart: data that the broker kept meanwhile still finds its names."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from gridwright.durable import replace_file
from gridwright.listen.lines import Lines, read_lines
from gridwright.protocols.sparkplug import Birth

FILE = "births.jsonl"
GENERATIONS = 2  # data that comes again may be older than the last birth


class Births:
    """The file of births; written anew at each start, with what still counts."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self.known = tuple(_last(_read(self._path)))
        with suppress(OSError):  # a full disk: then it stays as it was
            if self.known:
                lines = b"".join(msgspec.json.encode(one) + b"\n" for one in self.known)
                replace_file(self._path, lines, durable=True)
        self._lines = Lines(self._path)

    async def keep(self, birth: Birth) -> None:
        """Keep a birth; without room on the disk it is told, and asked for again after a restart."""
        try:
            await self._lines.add(birth)
        except OSError as error:
            structlog.get_logger().warning("a birth is not kept", node=birth.node, error=str(error.strerror))


def _read(path: Path) -> Iterable[Birth]:
    for line in read_lines(path):
        with suppress(msgspec.DecodeError, msgspec.ValidationError):  # half a line, of which nothing was acknowledged
            yield msgspec.json.decode(line, type=Birth)


def _last(births: Iterable[Birth]) -> Iterable[Birth]:
    """Return the last births of each node and device, in their order."""
    found: dict[tuple[str, str, str], deque[tuple[int, Birth]]] = {}
    for number, birth in enumerate(births):
        key = (birth.group, birth.node, birth.device)
        found.setdefault(key, deque(maxlen=GENERATIONS)).append((number, birth))
    return [birth for _, birth in sorted((one for each in found.values() for one in each), key=lambda one: one[0])]
