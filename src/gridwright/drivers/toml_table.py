"""Reads a TOML table key by key; what is missing, wrong or unknown is told with file, key and what may stand there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from gridwright.domain.errors import ConfigError

Choice = TypeVar("Choice", bound=StrEnum)


class TomlTable:
    """One table; `done` complains about keys nobody asked for."""

    def __init__(self, data: Mapping[str, Any], *, file: str, path: str = "") -> None:
        self._data = data
        self._file = file
        self._path = path
        self._asked: list[str] = []

    def wrong(self, key: str, what: str, allowed: str) -> ConfigError:
        """Return the error for a key's value."""
        place = f"{self._path}.{key}" if self._path else key
        return ConfigError(f"{place} {what}", where=self._file, remedy=f"allowed: {allowed}")

    def text(self, key: str, *, default: str | None = None, pattern: str = r"[\x20-\x7e]+", allowed: str = "") -> str:
        """Return a text; `default` None means it must be there."""
        value = self._value(key, default)
        shown = allowed or "a text of printable ASCII"
        if not isinstance(value, str) or (value != default and not re.fullmatch(pattern, value)):
            raise self.wrong(key, f"is {value!r}", shown)
        return value

    def whole(self, key: str, *, least: int, most: int, default: int | None = None) -> int:
        """Return a whole number within bounds."""
        value = self._value(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.wrong(key, f"is {value!r}", f"a whole number from {least} to {most}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, f"is {value!r}", "true or false")
        return value

    def choice(self, key: str, of: type[Choice], *, default: Choice | None = None) -> Choice:
        """Return a member of an enumeration, by its value."""
        return of(self.one_of(key, [member.value for member in of], default=default and default.value))

    def one_of(self, key: str, allowed: Sequence[str], *, default: str | None = None) -> str:
        """Return one of some words."""
        value = self._value(key, default)
        if value not in allowed:
            raise self.wrong(key, f"is {value!r}", ", ".join(filter(None, allowed)))
        return str(value)

    def table(self, key: str) -> TomlTable | None:
        """Return a table within, None where it is left out."""
        self._asked.append(key)
        value = self._data.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(key, f"is {value!r}", f"a table: [{key}]")
        return self._within(value, key)

    def needed(self, key: str) -> TomlTable:
        """Return a table that must be there."""
        found = self.table(key)
        if found is None:
            raise self.wrong(key, "is missing", f"a table: [{key}]")
        return found

    def tables(self, key: str) -> list[TomlTable]:
        """Return an array of tables, empty where it is left out."""
        self._asked.append(key)
        value = self._data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.wrong(key, f"is {value!r}", f"an array of tables: [[{key}]]")
        return [self._within(one, f"{key}[{number}]") for number, one in enumerate(value)]

    def words(self) -> list[str]:
        """Return all keys, for tables whose keys are the device's own words."""
        return list(self._data)

    def done(self) -> None:
        """Complain about the first key that nobody asked for."""
        for key in self._data:
            if key not in self._asked:
                close = get_close_matches(key, self._asked, 1)
                guess = f"is unknown; did you mean {close[0]}?" if close else "is unknown"
                raise self.wrong(key, guess, ", ".join(sorted(self._asked)))

    def _within(self, data: Mapping[str, Any], key: str) -> TomlTable:
        return TomlTable(data, file=self._file, path=f"{self._path}.{key}" if self._path else key)

    def _value(self, key: str, default: object) -> Any:  # noqa: ANN401 - TOML holds anything
        self._asked.append(key)
        if key not in self._data and default is None:
            raise self.wrong(key, "is missing", "this key must be there")
        return self._data.get(key, default)
