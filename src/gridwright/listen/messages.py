"""Messages to records: the body of `/v1/readings`, one value by its topic, or Sparkplug B."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec

from gridwright.api.answer import Refused
from gridwright.api.ingest.ends import has_end, with_length
from gridwright.api.ingest.few import check_few
from gridwright.api.ingest.instants import instant_us
from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.keys_twice import fault_of, twice_in
from gridwright.api.ingest.lines import LineMapping, Words, sampled_us
from gridwright.api.ingest.meaning import Said, Wrong, meaning_of
from gridwright.api.ingest.record import FIELDS, WORDS, Record
from gridwright.api.ingest.table import Decoded
from gridwright.api.ingest.twice import NAMES, TIMES, require_one_of_each
from gridwright.api.ingest.unfit import unfit
from gridwright.api.ingest.verdicts import Fault
from gridwright.domain.interval import MICRO, epoch_s
from gridwright.domain.reading_type import Quantity
from gridwright.domain.units import UNITS, unit_named
from gridwright.listen.ignored import NO_MEANING, Ignored
from gridwright.protocols.sparkplug import (
    Birth,
    Delivery,
    Metric,
    Sessions,
    SparkplugError,
    Topic,
    read_payload,
    read_topic,
)
from gridwright.protocols.sparkplug.payload import BAD, STALE
from gridwright.protocols.sparkplug.session import BD_SEQ, NAMESPACE, ONCE

WHERE = (0, 1)
MAX_FIELDS = 1_000  # of an object that is looked into for the reason why it cannot be taken
# Names under which senders tell a time that is not read: what has it must not be stamped with its receipt.
OTHER_TIMES = {"ts", "t", "date", "datetime", "date_time", "time_stamp", "timestamp_ms", "epoch", "utc", "when", "end"}
LARGEST = 4 << 20  # bytes of a payload that is looked into
SPARKPLUG = Words("sparkplug")
OF_ITSELF = ("Node Control/", "Device Control/")  # commands of the specification
BAD_QUALITY = Fault("Quality", "the sender says itself that it is bad", "look at the device and its line")
WAITED = Fault(
    "timestamp",
    "it has no time, and may have waited at the broker: nobody knows when it was measured",
    'send {"value": …, "at": …}, with the time of the reading',
)
RETAINED = Fault(
    "timestamp",
    "it has no time, and is a message that the broker retains: nobody knows when it was measured",
    'send {"value": …, "at": …}, or do not publish it with retain',
)
TIMELESS = Fault("timestamp", "it is of the past and tells no instant", "send it, or its template, with a timestamp")


# What a metric is taken into: the records, the time of its receipt, and why it is not of then.
_Context = tuple[Decoded, datetime, Fault | None]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a message brings, and, of Sparkplug, whose it is, and the edge node that must be asked to be born again.

    `unnamed`: it uses aliases that no birth has named yet; `decoded` refuses these. `ignored`: what means nothing here.
    """

    decoded: Decoded
    whose: Topic | None = None
    rebirth: Topic | None = None
    unnamed: bool = False
    birth: Birth | None = None
    died: bool = False
    ignored: tuple[Ignored, ...] = ()


@dataclass(slots=True)
class Messages:
    """Decodes messages: `patterns` of topics with `{usage_point}` and `{quantity}`; anything else is a JSON body."""

    mapping: LineMapping
    patterns: tuple[str, ...] = ()
    sparkplug: Sessions = field(default_factory=Sessions)
    _compiled: tuple[re.Pattern[str], ...] = ()

    def __post_init__(self) -> None:
        self._compiled = tuple(map(to_regex, self.patterns))

    def take(self, topic: str, payload: bytes, now: datetime, delivery: Delivery = ONCE) -> Taken:
        """Decode one message; whatever is wrong with it is a verdict, never an error."""
        decoded = Decoded(records=1)
        if len(payload) > LARGEST:
            return _refused(
                decoded, f"the payload is larger than {LARGEST >> 20} MiB", "send it in parts", len(payload)
            )
        try:
            if topic.startswith(f"{NAMESPACE}/"):
                return self._sparkplug(read_topic(topic), payload, now, delivery)
            found = next((match for one in self._compiled if (match := one.fullmatch(topic))), None)
            if found is None:
                return Taken(decode_json(payload, Said(interval_s=self.mapping.interval_s), now))
            require_filled(topic, found)
            self._single(found.groupdict(), payload, decoded, (now, delivery))
        except Refused as refused:
            told = msgspec.json.decode(refused.answer.body, type=dict[str, Any])
            return _refused(decoded, str(told.get("detail", "")), str(told.get("remedy", "")), payload[:120])
        except SparkplugError as error:
            return _refused(decoded, f"it is no Sparkplug B: {error}", "look at the sender", topic)
        except Wrong as wrong:
            decoded.verdicts.reject(WHERE, wrong.fault, wrong.value)
        return Taken(decoded)

    def _single(self, names: dict[str, str], payload: bytes, decoded: Decoded, came: tuple[datetime, Delivery]) -> None:
        """Take one value: a bare number, or an object with `value` and the words and times of a JSON record."""
        now, delivery = came
        told = _object(payload)
        name = (names.get("usage_point") or names.get("meter") or "").strip()
        record, truth = _record(told, payload, name)
        field, when = next(
            ((one, getattr(record, one)) for one in TIMES if getattr(record, one) is not None), ("at", None)
        )
        if when is None and (aged := _aged(delivery)) is not None:
            raise Wrong(aged, _shown(payload))
        at_us = epoch_s(now) * MICRO if when is None else instant_us(when, field)
        quantity = names.get("quantity") or str(told.get("quantity", ""))
        said = self._said(quantity, Words("mqtt", **_words(record)))
        if has_end(record):
            said = self._said(quantity, Words("mqtt", **_words(with_length(record, said))))
        if truth and meaning_of(said).reading_type.quantity is not Quantity.STATE:
            raise Wrong(Fault("value", "it is true or false, and no number", "send a number"), _shown(payload))
        check_few([(name, sampled_us(at_us, said), float(told["value"]), said, 0)], decoded, now)

    def _said(self, quantity: str, words: Words) -> Said:
        """Return what a quantity means; Wrong where nothing tells it."""
        said = self.mapping.said(quantity, words)
        if said is None:
            fault = Fault(
                "quantity", "nothing tells what this means", "name it in [line_protocol.fields], or in ignore"
            )
            raise Wrong(fault, quantity)
        return said

    def _row(
        self, name: str, what: tuple[str, Words], reading: tuple[int, float], context: tuple[Decoded, datetime]
    ) -> None:
        said = self._said(*what)
        decoded, now = context
        check_few([(name, sampled_us(reading[0], said), reading[1], said, 0)], decoded, now)

    def _sparkplug(self, whose: Topic, payload: bytes, now: datetime, delivery: Delivery) -> Taken:
        change = self.sparkplug.take(whose, read_payload(payload), delivery)
        decoded = Decoded(records=max(len(change.metrics) + len(change.unknown), 1))
        context = (decoded, now, _aged(delivery))
        ignored = [self._metric(whose, metric, context) for metric in _in_time(change.metrics)]
        for alias in change.unknown:
            fault = Fault("alias", "no birth has named it, though the node was asked for one", "look at the node")
            decoded.verdicts.reject(WHERE, fault, alias)
        rebirth = replace(whose, device="") if change.rebirth else None
        untold = tuple(one for one in ignored if one is not None)
        return Taken(decoded, whose, rebirth, bool(change.unknown), change.birth, change.died, untold)

    def _metric(self, whose: Topic, metric: Metric, context: _Context) -> Ignored | None:
        """Take a metric that is a number and means something, and return what is to be told of another."""
        owner, last = (whose.device or whose.node).strip(), metric.name.rpartition("/")[2]
        if (metric.value is None and not metric.unread) or metric.name.startswith(OF_ITSELF) or metric.name == BD_SEQ:
            return None
        if self.mapping.is_ignored(metric.name, owner) or self.mapping.is_ignored(last, owner):
            return None
        name = next((one for one in (metric.name, last) if self.mapping.said(one, SPARKPLUG) is not None), None)
        if name is None:
            return Ignored(metric.name, NO_MEANING, metric.unread or metric.value)
        if not isinstance(metric.value, int | float):
            return Ignored(metric.name, f"it is {metric.unread or 'a text'}, and no number", metric.value or "")
        if metric.quality == STALE:
            return Ignored(metric.name, "its Quality says that it is stale", metric.value, "look at the device")
        self._reading(owner, name, metric, context)
        return None

    def _with_unit(self, name: str, told: str) -> Words:
        """Return the words of a metric whose properties tell a unit; Wrong where that measures something else."""
        unit = unit_named(told)
        if unit is None or UNITS[unit][0] is Quantity.STATE:  # a note for people: the name says what the number means
            return SPARKPLUG
        measured = meaning_of(self._said(name, SPARKPLUG)).reading_type.quantity
        if UNITS[unit][0] is not measured:
            reason = f"its properties tell {unit}, which does not measure {measured}"
            raise Wrong(Fault("unit", reason, "correct the unit or the name at the sender"), told)
        return replace(SPARKPLUG, unit=unit)

    def _reading(self, owner: str, name: str, metric: Metric, context: _Context) -> None:
        at_us = epoch_s(context[1]) * MICRO if metric.at_ms is None else metric.at_ms * 1000
        if metric.quality == BAD:
            context[0].verdicts.reject(WHERE, BAD_QUALITY, f"{metric.name} {metric.value}")
            return
        timeless = TIMELESS if metric.historical else context[2]
        if metric.at_ms is None and timeless is not None:
            context[0].verdicts.reject(WHERE, timeless, metric.name)
            return
        try:
            words = self._with_unit(name, metric.unit)
            self._row(owner, (name, words), (at_us, float(metric.value or 0.0)), context[:2])
        except (Wrong, OverflowError) as error:
            fault = error.fault if isinstance(error, Wrong) else Fault("timestamp", "this is no instant", "send ms")
            context[0].verdicts.reject(WHERE, fault, metric.name)


def _aged(delivery: Delivery) -> Fault | None:
    """Return why a value without a time is not one of now; None where it is."""
    if delivery.age.retained:
        return RETAINED
    return WAITED if delivery.age.late else None


def _in_time(metrics: Sequence[Metric]) -> list[Metric]:
    """Return metrics by their instants, those of now last: of several samples of an interval the latest one counts."""
    return sorted(metrics, key=lambda one: (one.at_ms is None, one.at_ms or 0))


def require_filled(topic: str, found: re.Match[str]) -> None:
    """Refuse a topic of which a level that should name something is empty, and say which."""
    empty = [name for name, level in found.groupdict().items() if not level]
    if empty:
        reason = f"its level for {{{empty[0]}}} is empty"
        raise Wrong(Fault("topic", reason, "look at what the sender puts between the slashes"), topic)


def _shown(payload: bytes) -> str:
    return payload[:120].decode(errors="replace")


def _object(payload: bytes) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Wrong(
            Fault("payload", "it is neither a number nor JSON", 'send 1.5, or {"value": 1.5, "at": …}'),
            _shown(payload),
        ) from None
    if isinstance(told, dict):
        return told
    return {"value": told}


def _record(told: dict[str, Any], payload: bytes, name: str) -> tuple[Record, bool]:
    """Return what an object tells beside its number, and whether that is true or false; Wrong where it is none."""
    value = told.get("value")
    if not isinstance(value, int | float) or abs(value) > sys.float_info.max:
        raise Wrong(Fault("payload", "there is no number", 'send 1.5, or {"value": 1.5, "at": …}'), _shown(payload))
    twice = twice_in(payload, (*FIELDS, "quantity"))
    if twice is not None:
        raise Wrong(fault_of(twice[0]), twice[1])
    try:
        record = msgspec.convert(told | {"value": float(value)}, Record)
    except msgspec.ValidationError as error:
        fault, written = unfit(error, payload, MAX_FIELDS)
        raise Wrong(fault, written) from None
    require_one_of_each(record)
    unread = next((one for one in told if one.lower() in OTHER_TIMES), "")
    if unread and all(getattr(record, one) is None for one in TIMES):
        raise Wrong(Fault(unread, "no time is read by this name", "call it at"), told[unread])
    for one in NAMES:
        other = getattr(record, one)
        if other and name and other.strip() != name:
            raise Wrong(Fault(one, "the topic has another name", "send one of the two"), other)
    return record, isinstance(value, bool)


def _words(record: Record) -> dict[str, Any]:
    """Return the words of a record that are there."""
    return {word: told for word in WORDS if (told := getattr(record, word))}


def _refused(decoded: Decoded, reason: str, remedy: str, value: object) -> Taken:
    shown = value.decode(errors="replace") if isinstance(value, bytes) else value
    decoded.verdicts.reject(WHERE, Fault("message", reason, remedy), shown)
    return Taken(decoded)


def to_regex(pattern: str) -> re.Pattern[str]:
    """Return what a pattern such as `gridwright/{usage_point}/{quantity}` matches, empty levels as MQTT's `+` does."""
    parts = re.split(r"\{(\w+)\}", pattern)
    return re.compile(
        "".join(re.escape(part) if at % 2 == 0 else f"(?P<{part}>[^/]*)" for at, part in enumerate(parts))
    )
