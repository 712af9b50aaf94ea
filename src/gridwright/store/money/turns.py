"""Turns: what was issued or cancelled is never used again, so the same content once more is another document.

The first document of a content has its key and its id as they are; each later one has its turn behind both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, Generic, TypeVar

from sqlalchemy import Row

Document = TypeVar("Document")
MARK = "#"


@dataclass(frozen=True, slots=True)
class Saved(Generic[Document]):
    """The document as it is kept, which may have the id of a later turn; `new`: whether saving it changed anything."""

    document: Document
    new: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """A place for a content: the first that is not spent, with the row that is there already, if any."""

    number: int
    key: str
    row: Row[Any] | None

    def id_of(self, first: str) -> str:
        """Return the document's id: that of the row, or else that of the first turn with this one behind it."""
        if self.row is not None:
            return str(self.row.code)
        return first if self.number == 1 else f"{first}-{self.number}"


def free_turn(content: str, find: Callable[[str], Row[Any] | None], is_spent: Callable[[Row[Any]], bool]) -> Turn:
    """Return the first turn of a content whose row is not spent or not there; `find` returns the row of a key."""
    for number in count(1):
        key = content if number == 1 else f"{content}{MARK}{number}"
        row = find(key)
        if row is None or not is_spent(row):
            return Turn(number, key, row)
    raise AssertionError("there is no last turn")  # pragma: no cover - count never ends


def content_of(key: str) -> str:
    """Return the content that the key of any turn stands for."""
    return key.partition(MARK)[0]
