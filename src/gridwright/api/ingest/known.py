"""What the tags of lines tell, kept for origins that come again and again: a fleet's names are read once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from gridwright.api.ingest.places import REMEMBERED, Numbers, Places, dense
from gridwright.api.ingest.table import name_fault
from gridwright.formats.line_protocol import Origin

if TYPE_CHECKING:
    from gridwright.api.ingest.names import Directory

Word = TypeVar("Word")
Whose = Callable[[Origin], tuple[str, Word]]


class Names:
    """Names of points with a number each, and what is known of them, in columns."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.all: list[str] = []
        self._array: npt.NDArray[np.object_] = np.zeros(0, np.object_)
        self._some: dict[bytes, tuple[str, ...]] = {}
        self.faulty = np.zeros(0, np.bool_)
        self._places: dict[bool, Places] = {}

    def number(self, name: str) -> int:
        """Return the number of a name; a new one has to be settled before its columns are asked for."""
        found = self._numbers.get(name)
        if found is None:
            found = self._numbers[name] = len(self.all)
            self.all.append(name)
        return found

    def settle(self) -> None:
        """Fill the columns of new names."""
        new = self.all[self._array.size :]
        if new:
            self.faulty = np.concatenate((self.faulty, [name_fault(name) is not None for name in new]))
            self._array = np.concatenate((self._array, np.array(new, np.object_)))

    @property
    def nameless(self) -> int:
        """Return the number of the empty name, -1 where there is none."""
        return self._numbers.get("", -1)

    def some(self, number: npt.NDArray[np.intp]) -> tuple[str, ...]:
        """Return some of the names; the same tuple for the same numbers."""
        key = number.tobytes()
        found = self._some.get(key)
        if found is None:
            if len(self._some) >= REMEMBERED:
                self._some = {}
            found = self._some[key] = tuple(self._array[number].tolist())
        return found

    def places(self, directory: Directory, *, register: bool) -> Places:
        """Return where readings of these names belong, from the first look at this directory on."""
        kept = self._places.get(register)
        if kept is None or not kept.fits(directory):
            kept = self._places[register] = Places(directory, register=register)
        return kept


@dataclass(frozen=True, slots=True, eq=False)
class Numbered:
    """The names of a request's readings by their numbers: `number[i]` is that of the readings' `points[i]`."""

    names: Names
    number: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Told(Generic[Word]):
    """Of origins, in columns: the number of the name, and which of the `words` its tags say."""

    names: Names
    words: Sequence[Word]
    name: Numbers
    word: Numbers


class Tags(Generic[Word]):
    """What the tags of origins tell, by the one list of origins that grows; another list begins anew."""

    def __init__(self, whose: Whose[Word]) -> None:
        self._whose = whose
        self._lock = threading.Lock()
        self._origins: Sequence[Origin | None] | None = None
        self._told: Told[Word] = self._nothing()

    @staticmethod
    def _nothing() -> Told[Word]:
        return Told(Names(), [], np.zeros(0, np.int32), np.zeros(0, np.int32))

    def read(self, origins: Sequence[Origin | None]) -> Told[Word]:
        """Return what origins tell; those of a tuple are read by themselves and not kept."""
        if isinstance(origins, tuple):
            return self._more(self._nothing(), origins)
        with self._lock:
            if origins is not self._origins:
                self._origins, self._told = origins, self._nothing()
            if len(origins) > self._told.name.size:
                self._told = self._more(self._told, origins[self._told.name.size :])
            return self._told

    def _more(self, told: Told[Word], origins: Sequence[Origin | None]) -> Told[Word]:
        words = {word: at for at, word in enumerate(told.words)}
        pairs = [self._whose(origin or NOTHING) for origin in origins]
        name = np.array([told.names.number(name) for name, _ in pairs], np.int32)
        word = np.array([words.setdefault(word, len(words)) for _, word in pairs], np.int32)
        told.names.settle()
        return Told(told.names, list(words), np.concatenate((told.name, name)), np.concatenate((told.word, word)))


NOTHING = Origin("")
__all__ = ["Names", "Numbered", "Tags", "Told", "dense"]
