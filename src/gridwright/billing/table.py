"""Reading a TOML table strictly: every key is known, every value has its type, every error names its path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from gridwright.domain.errors import RateError, RateRefused

E = TypeVar("E", bound=StrEnum)
KIND = {dict: "a table", list: "a list", str: "a text", bool: "true or false", int: "a whole number", date: "a date"}


@dataclass(frozen=True, slots=True)
class Table:
    """A TOML table with its path in the file (`charges[1].price`) and the file's name."""

    data: Mapping[str, Any]
    path: str
    where: str

    def at(self, key: str) -> str:
        """Return the full path of `key`."""
        return f"{self.path}.{key}" if self.path else key

    def fail(self, key: str, message: str, remedy: str = "") -> RateError:
        """Return the error for `key`, to be raised."""
        return RateError(f"{self.at(key)} {message}", where=self.where, remedy=remedy)

    def refuse(self, key: str, message: str, remedy: str) -> RateRefused:
        """Return the refusal for `key`, to be raised."""
        return RateRefused(f"{self.at(key)} {message}", where=self.where, remedy=remedy)

    def only(self, *known: str, refused: Mapping[str, str] | None = None) -> Table:
        """Check the keys: an unknown one is a RateError, one in `refused` (key → remedy) a RateRefused."""
        for key in self.data:
            if refused and key in refused:
                raise self.refuse(key, "is known but cannot be priced by this version", refused[key])
            if key not in known:
                near = get_close_matches(key, known, 1)
                advice = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
                raise self.fail(key, "is an unknown key", advice)
        return self

    def has(self, key: str) -> bool:
        """Tell whether the key is given."""
        return key in self.data

    def need(self, key: str) -> Any:  # noqa: ANN401 - a raw TOML value, typed by the caller
        """Return the raw value; a missing key is a RateError."""
        if key not in self.data:
            raise self.fail(key, "is missing")
        return self.data[key]

    def _typed(self, key: str, kind: type, default: Any) -> Any:  # noqa: ANN401 - checked against `kind`
        value = self.data.get(key, default)
        if value is default and key not in self.data:
            return default
        # A TOML date-time is a date in Python, and a bool is an int: neither is meant here.
        wrong = type(value) is not kind
        if wrong:
            raise self.fail(key, f"is {value!r} but must be {KIND[kind]}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; without default the key must be there and not empty."""
        value: str = self._typed(key, str, self.need(key) if default is None else default)
        if default is None and not value:
            raise self.fail(key, "is empty")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value: bool = self._typed(key, bool, default)
        return value

    def integer(self, key: str, default: int | None = None) -> int:
        """Return a whole number."""
        value: int = self._typed(key, int, self.need(key) if default is None else default)
        return value

    def decimal(self, key: str, default: Decimal | None = None) -> Decimal:
        """Return an exact number, written as integer or with a decimal point."""
        value = self.need(key) if default is None else self.data.get(key, default)
        if type(value) not in (int, Decimal) or not Decimal(value).is_finite():
            raise self.fail(key, f"is {value!r} but must be a number", "write it like 0.25, without quotes")
        return Decimal(value)

    def day(self, key: str) -> date | None:
        """Return a date, None when left out."""
        return as_date(self, key, self.data[key]) if key in self.data else None

    def choice(self, key: str, kind: type[E], default: E | None = None) -> E:
        """Return one of the enum's words."""
        value = self.need(key) if default is None else self.data.get(key, default.value)
        try:
            return kind(value)
        except ValueError:
            words = [member.value for member in kind]
            near = get_close_matches(str(value), words, 1)
            advice = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(words)}"
            raise self.fail(key, f"is {value!r}", advice) from None

    def listed(self, key: str) -> list[Any]:
        """Return a list, empty when left out."""
        value: list[Any] = self._typed(key, list, [])
        return value

    def texts(self, key: str, default: Iterable[str] = ()) -> tuple[str, ...]:
        """Return a list of texts."""
        if key not in self.data:
            return tuple(default)
        for index, value in enumerate(self.listed(key)):
            if type(value) is not str:
                raise self.fail(f"{key}[{index}]", f"is {value!r} but must be a text")
        return tuple(self.listed(key))

    def integers(self, key: str) -> tuple[int, ...]:
        """Return a list of whole numbers."""
        for index, value in enumerate(self.listed(key)):
            if type(value) is not int:
                raise self.fail(f"{key}[{index}]", f"is {value!r} but must be a whole number")
        return tuple(self.listed(key))

    def table(self, key: str) -> Table:
        """Return a table, empty when left out."""
        return Table(self._typed(key, dict, {}), self.at(key), self.where)

    def tables(self, key: str) -> list[Table]:
        """Return a list of tables, empty when left out."""
        found = []
        for index, value in enumerate(self.listed(key)):
            if type(value) is not dict:
                raise self.fail(f"{key}[{index}]", f"is {value!r} but must be a table")
            found.append(Table(value, self.at(f"{key}[{index}]"), self.where))
        return found


def as_date(table: Table, key: str, value: object) -> date:
    """Return a TOML date, or a text that holds one."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise table.fail(key, f"is {value!r} but must be a date", "write it like 2026-01-01")
