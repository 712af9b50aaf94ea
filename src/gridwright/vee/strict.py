"""Reading a TOML file of rules strictly: every key is known, every error names file, line, value and a way out."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from gridwright.domain.errors import ConfigError

GROUP = "[[group]]"
HEADING = re.compile(r"^\s*\[+([^\]]+)\]+")
ASSIGNED = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")


@dataclass(frozen=True, slots=True)
class RuleFile:
    """The text of a file and its name, to tell where a key stands."""

    text: str
    name: str

    def fail(self, message: str, *, key: str = "", group: int = -1, remedy: str = "") -> ConfigError:
        """Return the error about `key` of the `group`-th group (-1: before the first), to be raised."""
        line = self.line(key, group)
        return ConfigError(message, where=f"{self.name} line {line}" if line else self.name, remedy=remedy)

    def line(self, key: str, group: int) -> int:
        """Return the line on which a key stands, the group's own when the key is in a table's short form; 0 = none."""
        pattern = re.compile(rf'^\s*(?:rules\s*\.\s*)?["\']?{re.escape(key)}["\']?\s*[=.]')
        heading = re.compile(rf"^\s*\[+(?:group\.(?:rules\.)?)?{re.escape(key)}[\].]")
        seen, fallback = -1, 0
        for number, line in enumerate(self.text.splitlines(), 1):
            if line.split("#")[0].strip() == GROUP:
                seen += 1
                fallback = number if seen == group else fallback
            elif (seen == group and pattern.match(line)) or (group in {-1, seen} and heading.match(line)):
                return number
        return fallback

    def fail_in(self, table: str, key: str, message: str, remedy: str) -> ConfigError:
        """Return the error about a key of a table, to be raised, with its line, however the table is written."""
        line = self._line_in(table, key)
        where = f"{self.name} line {line} [{table}]" if line else f"{self.name} [{table}]"
        return ConfigError(message, where=where, remedy=remedy)

    def _line_in(self, table: str, key: str) -> int:
        """Return the line that gives a key its value, or begins a table in short form that does; 0 = none."""
        wanted, heading, found = (*table.split("."), key), tuple[str, ...](), 0
        for number, line in enumerate(self.text.splitlines(), 1):
            if opened := HEADING.match(line):
                heading = _names(opened[1])
                given = heading
            elif assigned := ASSIGNED.match(line):
                given = (*heading, *_names(assigned[1]))
            else:
                continue
            if given == wanted:
                return number
            if given and given == wanted[: len(given)]:
                found = number
        return found

    def read(self) -> dict[str, Any]:
        """Return the file's content; broken TOML is a ConfigError."""
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"this is no TOML: {error}", where=self.name, remedy="see the place named") from error


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(name.strip().strip("\"'") for name in dotted.split("."))


def advice(word: object, known: Iterable[str]) -> str:
    """Return what to write instead of an unknown word."""
    names = list(known)
    near = get_close_matches(str(word), names, 1, 0.5)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"


def words(value: object, known: Sequence[str] | None, fail: Any) -> tuple[str, ...]:  # noqa: ANN401 - raises by it
    """Return one word or a list of words as a tuple; `known` words only, where given."""
    several = value if isinstance(value, list) else [value]
    for one in several:
        if not isinstance(one, str) or (known is not None and one not in known):
            raise fail(f"{one!r} is no value for it", advice(one, known) if known is not None else "give a text")
    return tuple(several)


def number(value: object, fail: Any, *, least: float = -math.inf, most: float = math.inf) -> float:  # noqa: ANN401 - raises by it
    """Return a finite number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise fail(f"is {value!r} but must be a number", "write it like 1.5, without quotes")
    if value < least:
        raise fail(f"is {value!r} but must not be below {least:g}", "")
    if value > most:
        raise fail(f"is {value!r} but must not be above {most:g}", "")
    return float(value)


def only(data: Mapping[str, object], known: Iterable[str]) -> str | None:
    """Return the first key that is not known, if any."""
    names = set(known)
    return next((key for key in data if key not in names), None)
