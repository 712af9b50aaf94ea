"""One line of InfluxDB line protocol, with its escapes and quoted texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

Written = float | str
KEY = re.compile(r"((?:\\.|[^\\, ])+)((?:,(?:\\.|[^\\,= ])+=(?:\\.|[^\\,= ])+)*)", re.DOTALL)
TAG = re.compile(r",((?:\\.|[^\\,= ])+)=((?:\\.|[^\\,= ])+)", re.DOTALL)
FIELD = re.compile(r'((?:\\.|[^\\,= ])+)=(?:"((?:\\.|[^"\\])*)"|([^, "]+))', re.DOTALL)
OPEN = re.compile(r'(?:\\.|[^\\,= ])+="(?:\\.|[^"\\])*\Z', re.DOTALL)
# A key without escapes, as agents write them: it is cut at its signs, which is several times quicker.
PLAIN = re.compile(r"[^\\, ]+(?:,[^\\,= ]+=[^\\,= ]+)*\Z")
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\Z", re.ASCII)
WHOLE = re.compile(r"[+-]?\d+\Z", re.ASCII)
MOST_DIGITS = 64  # of a whole number, leading zeros with them
TRUTH = {"t": 1.0, "T": 1.0, "true": 1.0, "True": 1.0, "TRUE": 1.0}
TRUTH |= {"f": 0.0, "F": 0.0, "false": 0.0, "False": 0.0, "FALSE": 0.0}
HOW = "write measurement,tag=value field=1.5 timestamp"
LARGEST = (1 << 63) - 1


class Origin(NamedTuple):
    """Where values come from: the measurement and its tags, in the order in which they were sent."""

    measurement: str
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A line: its origin, its fields (a number, or a text as it was meant), and its timestamp if it has one."""

    origin: Origin
    fields: tuple[tuple[str, Written], ...]
    stamp: int | None


NO_INSTANT = "this is no instant", "write it as a whole number, and give its precision"
FAR = "it lies too far away at this precision", "give the one in which it counts: precision=ns, us, ms or s"


class LineWrong(Exception):
    """A line that means nothing: the field, what stands there, why, and what helps."""

    def __init__(self, reason: str, value: str = "", *, field: str = "line", remedy: str = HOW) -> None:
        super().__init__(reason)
        self.reason, self.value, self.field, self.remedy = reason, value, field, remedy


def origin_of(key: str) -> Origin:
    """Read measurement and tags; LineWrong where a tag has no name or no value, or is there twice."""
    if PLAIN.match(key):
        measurement, *written = key.split(",")
        pairs = tuple([(name, value) for name, _, value in [one.partition("=") for one in written]])
        if len(pairs) == len(dict(pairs)):
            return Origin(measurement, pairs)
    found = KEY.match(key)
    if found is None:
        raise LineWrong("there is no measurement", key)
    if found.end() != len(key):
        raise LineWrong("its tags are not name=value", key)
    tags = tuple((_plain(name), _plain(value)) for name, value in TAG.findall(found.group(2)))
    if len(tags) > 1 and len(dict(tags)) < len(tags):
        names = [name for name, _ in tags]
        twice = next(name for name in names if names.count(name) > 1)
        values = ", ".join(value for name, value in tags if name == twice)
        raise LineWrong("the tag is there twice", values, field=twice, remedy="send each tag once")
    return Origin(_plain(found.group(1)), tags)


def origin_in(key: bytes | None) -> Origin | None:
    """Return what a key says, None where it means nothing."""
    try:
        return None if key is None else origin_of(key.decode())
    except (UnicodeDecodeError, LineWrong):
        return None


@dataclass(frozen=True, slots=True)
class Origins:
    """What keys say, read as it is asked for: so many small objects, kept, would be walked over all the time."""

    keys: list[bytes | None]

    def __len__(self) -> int:
        """Return how many keys there are."""
        return len(self.keys)

    def __getitem__(self, at: int) -> Origin | None:
        """Return what a key says, None where it means nothing."""
        return origin_in(self.keys[at])


def read_line(text: str) -> Line | None:
    """Read one line; None where it is empty or a comment, LineWrong where it means nothing."""
    text = text.strip(" \r\t\n")
    if not text or text.startswith("#"):
        return None
    key = KEY.match(text)
    if key is None or key.end() >= len(text):
        raise LineWrong("there is no measurement, or there are no fields", text)
    if text[key.end()] != " ":
        raise LineWrong("its tags are not name=value", text)
    fields, rest = _fields(text[key.end() :].lstrip(" "))
    stamp = None
    if rest:
        stamp = whole_of(rest)
        if stamp is None:
            reason, remedy = FAR if rest.lstrip("+-").isdecimal() else NO_INSTANT
            raise LineWrong(reason, rest, field="timestamp", remedy=remedy)
    return Line(origin_of(key.group(0)), fields, stamp)


def is_continued(text: str) -> bool:
    """Tell whether a quoted text is still open at the end, and goes on in the next line."""
    text = text.lstrip(" ")
    key = KEY.match(text)
    if '"' not in text or key is None or text.startswith("#") or text[key.end() : key.end() + 1] != " ":
        return False
    at = key.end()
    while text[at : at + 1] == " ":
        at += 1
    while found := FIELD.match(text, at):
        at = found.end() + 1
        if text[at - 1 : at] != ",":
            return False
    return OPEN.match(text, at) is not None


def _fields(text: str) -> tuple[tuple[tuple[str, Written], ...], str]:
    """Return the fields and what stands behind them."""
    fields, at = [], 0
    while True:
        found = FIELD.match(text, at)
        if found is None:
            raise LineWrong("a field is not name=value", text[at:], remedy='write name=1.5 or name="text"')
        name, quoted, bare = found.groups()
        fields.append((_plain(name), _value(bare, _plain(name)) if quoted is None else _text(quoted)))
        at = found.end()
        following = text[at : at + 1]
        if following == ",":
            at += 1
        elif following in {"", " "}:
            return tuple(fields), text[at:].strip(" ")
        else:
            raise LineWrong("a field is not name=value", text[at:], remedy="separate fields by a comma")


def _value(text: str, name: str) -> float:
    if text in TRUTH:
        return TRUTH[text]
    value = whole_of(text[:-1]) if text[-1:] in {"i", "u"} else number_of(text)
    if value is None:
        remedy = "write 1.5, 15i, true or false"
        raise LineWrong("there is no finite number", text, field=name, remedy=remedy)
    return float(value)


def number_of(text: str) -> float | None:
    """Return a number as it is written, None where it is none."""
    return float(text) if NUMBER.match(text) else None


def whole_of(text: str) -> int | None:
    """Return a whole number as it is written, None where it is none, or beyond 64 bits."""
    if len(text) > MOST_DIGITS or not WHOLE.match(text):
        return None
    value = int(text)
    return value if abs(value) <= LARGEST else None


def _plain(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text) if "\\" in text else text


def _text(text: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", text) if "\\" in text else text
