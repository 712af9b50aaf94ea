"""What the tags of lines tell, kept for origins that come again and again: a fleet's names are read once."""

from __future__ import annotations

import threading
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from gridwright.api.ingest.moulds import Mould, mould_of
from gridwright.api.ingest.places import REMEMBERED, Numbers, Places, dense
from gridwright.api.ingest.table import faulty_names
from gridwright.formats.line_protocol import Origin, Origins, origin_in

if TYPE_CHECKING:
    from gridwright.api.ingest.names import Directory

MOULDS = 4  # that keys are held against
TRIES = 64  # keys in a row that are like none of the last, before no more moulds are made
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
            self.faulty = np.concatenate((self.faulty, faulty_names(new)))
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


class _More(Generic[Word]):
    """What is told and what more origins tell, one after the other."""

    def __init__(self, told: Told[Word]) -> None:
        self._told = told
        self._words = {word: at for at, word in enumerate(told.words)}
        self._name, self._word = array("i"), array("i")
        self._last: tuple[object, int] = (None, -1)

    def place(self, word: Word) -> int:
        """Return the number of a word; mostly all say the same, which is then the same object."""
        if word is not self._last[0]:
            self._last = word, self._words.setdefault(word, len(self._words))
        return self._last[1]

    def put(self, name: str, place: int) -> None:
        """Note the next one's name and the number of its word."""
        self._name.append(self._told.names.number(name))
        self._word.append(place)

    def all(self) -> Told[Word]:
        """Return all of it in columns."""
        told = self._told
        told.names.settle()
        name, word = (np.array(each, np.int32) for each in (self._name, self._word))
        return Told(told.names, list(self._words), np.concatenate((told.name, name)), np.concatenate((told.word, word)))


class Tags(Generic[Word]):
    """What the tags of origins tell, by the one list of keys that grows; another list begins anew."""

    def __init__(self, whose: Whose[Word], point_tags: Sequence[str] = ()) -> None:
        """`point_tags`: in one of which the name stands, so that keys which differ in it alone are read once."""
        self._whose, self._point_tags = whose, point_tags
        self._lock = threading.Lock()
        self._begin(None)

    def _begin(self, keys: list[bytes | None] | None) -> None:
        self._keys, self._told = keys, self._nothing()
        self._moulds: deque[Mould] = deque(maxlen=MOULDS)
        self._tries = TRIES

    @staticmethod
    def _nothing() -> Told[Word]:
        return Told(Names(), [], np.zeros(0, np.int32), np.zeros(0, np.int32))

    def read(self, origins: Origins | tuple[Origin | None, ...]) -> Told[Word]:
        """Return what origins tell; those of a tuple are read by themselves and not kept."""
        if isinstance(origins, tuple):
            more = _More(self._nothing())
            for origin in origins:
                self._read(origin, more)
            return more.all()
        with self._lock:
            if origins.keys is not self._keys:
                self._begin(origins.keys)
            new = origins.keys[self._told.name.size :]
            if new:
                more = _More(self._told)
                for key in new:
                    self._look_at(key, more)
                self._told = more.all()
            return self._told

    def _read(self, origin: Origin | None, more: _More[Word]) -> tuple[str, int]:
        name, word = self._whose(origin or NOTHING)
        place = more.place(word)
        more.put(name, place)
        return name, place

    def _look_at(self, key: bytes | None, more: _More[Word]) -> None:
        """Read a key, unless it is like one of the last but for its name."""
        if key is None:
            self._read(None, more)
            return
        for mould in self._moulds:
            name = mould.name(key)
            if name is not None:
                more.put(name, mould.word)
                self._tries = TRIES
                return
        told = self._read(origin_in(key), more)
        if self._tries:  # where each key has a tag of its own, none is like another
            self._tries -= 1
            made = mould_of(key, *told, self._point_tags)
            self._moulds.extendleft([] if made is None else [made])


NOTHING = Origin("")
__all__ = ["Names", "Numbered", "Tags", "Told", "dense"]
