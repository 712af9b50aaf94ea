"""Messages to records: the body of `/v1/readings`, one value by its topic, or Sparkplug B."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec

from gridwright.api.answer import Refused
from gridwright.api.ingest_few import check_few
from gridwright.api.ingest_instants import MICRO, instant_us
from gridwright.api.ingest_json import decode_json
from gridwright.api.ingest_lines import LineMapping, Words, sampled_us
from gridwright.api.ingest_meaning import Said, Wrong
from gridwright.api.ingest_table import Decoded
from gridwright.api.verdicts import Fault
from gridwright.domain.interval import epoch_s
from gridwright.protocols.sparkplug import Change, Metric, Sessions, SparkplugError, Topic, read_payload, read_topic
from gridwright.protocols.sparkplug.session import NAMESPACE

WHERE = (0, 1)
LARGEST = 4 << 20  # bytes of a payload that is looked into


@dataclass(frozen=True, slots=True)
class Taken:
    """What a message brings, and the edge node that must be asked to be born again, if any."""

    decoded: Decoded
    rebirth: Topic | None = None


@dataclass(slots=True)
class Messages:
    """Decodes messages: `patterns` of topics with `{usage_point}` and `{quantity}`; anything else is a JSON body."""

    mapping: LineMapping
    patterns: tuple[str, ...] = ()
    sparkplug: Sessions = field(default_factory=Sessions)
    _compiled: tuple[re.Pattern[str], ...] = ()

    def __post_init__(self) -> None:
        self._compiled = tuple(map(to_regex, self.patterns))

    def take(self, topic: str, payload: bytes, now: datetime) -> Taken:
        """Decode one message; whatever is wrong with it is a verdict, never an error."""
        decoded = Decoded(records=1)
        if len(payload) > LARGEST:
            return _refused(
                decoded, f"the payload is larger than {LARGEST >> 20} MiB", "send it in parts", len(payload)
            )
        try:
            if topic.startswith(f"{NAMESPACE}/"):
                return self._sparkplug(topic, payload, now)
            found = next((match for one in self._compiled if (match := one.fullmatch(topic))), None)
            if found is None:
                return Taken(decode_json(payload, Said(interval_s=self.mapping.interval_s), now))
            self._single(found.groupdict(), payload, decoded, now)
        except Refused as refused:
            told = msgspec.json.decode(refused.answer.body, type=dict[str, Any])
            return _refused(decoded, str(told.get("detail", "")), str(told.get("remedy", "")), payload[:120])
        except SparkplugError as error:
            return _refused(decoded, f"it is no Sparkplug B: {error}", "look at the sender", topic)
        except Wrong as wrong:
            decoded.verdicts.reject(WHERE, wrong.fault, wrong.value)
        return Taken(decoded)

    def _single(self, names: dict[str, str], payload: bytes, decoded: Decoded, now: datetime) -> None:
        """Take one value: a bare number, or an object with `value` and perhaps `at` and `unit`."""
        told = _object(payload)
        value = told.get("value")
        if isinstance(value, bool):
            value = float(value)
        if not isinstance(value, int | float):
            raise Wrong(Fault("payload", "there is no number", 'send 1.5, or {"value": 1.5, "at": …}'), payload[:120])
        at = told.get("at", told.get("timestamp", told.get("start")))
        at_us = epoch_s(now) * MICRO if at is None else instant_us(at, "at")
        quantity = names.get("quantity") or str(told.get("quantity", ""))
        words = Words("mqtt", unit=str(told.get("unit", "")), interval_s=int(told.get("interval_s") or 0))
        name = names.get("usage_point") or names.get("meter") or ""
        self._row(name, (quantity, words), (at_us, float(value)), (decoded, now))

    def _row(
        self, name: str, what: tuple[str, Words], reading: tuple[int, float], context: tuple[Decoded, datetime]
    ) -> None:
        quantity, words = what
        said = self.mapping.said(quantity, words)
        if said is None:
            fault = Fault(
                "quantity", "nothing tells what this means", "name it in [line_protocol.fields], or in ignore"
            )
            raise Wrong(fault, quantity)
        decoded, now = context
        check_few([(name, sampled_us(reading[0], said), reading[1], said, 0)], decoded, now)

    def _sparkplug(self, topic: str, payload: bytes, now: datetime) -> Taken:
        whose = read_topic(topic)
        change = self.sparkplug.take(whose, read_payload(payload))
        decoded = Decoded(records=max(len(change.metrics) + len(change.unknown), 1))
        for metric in change.metrics:
            self._metric(whose, metric, (decoded, now))
        for alias in change.unknown:
            fault = Fault("alias", "no birth has named it; the node is asked for one", "nothing, if it answers")
            decoded.verdicts.reject(WHERE, fault, alias)
        return Taken(decoded, replace(whose, device="") if change.rebirth else None)

    def _metric(self, whose: Topic, metric: Metric, context: tuple[Decoded, datetime]) -> None:
        """Take a metric that is a number and means something; nodes also tell of themselves, which is no reading."""
        name = metric.name.rpartition("/")[2]
        words = Words("sparkplug")
        if not isinstance(metric.value, int | float) or self.mapping.is_ignored(name, whose.device or whose.node):
            return
        if self.mapping.said(name, words) is None:
            return
        at_us = epoch_s(context[1]) * MICRO if metric.at_ms is None else metric.at_ms * 1000
        try:
            self._row(whose.device or whose.node, (name, words), (at_us, float(metric.value)), context)
        except (Wrong, OverflowError) as error:
            fault = error.fault if isinstance(error, Wrong) else Fault("timestamp", "this is no instant", "send ms")
            context[0].verdicts.reject(WHERE, fault, metric.name)


def _object(payload: bytes) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Wrong(
            Fault("payload", "it is neither a number nor JSON", 'send 1.5, or {"value": 1.5, "at": …}'),
            payload[:120].decode(errors="replace"),
        ) from None
    if isinstance(told, dict):
        return told
    return {"value": told}


def _refused(decoded: Decoded, reason: str, remedy: str, value: object) -> Taken:
    shown = value.decode(errors="replace") if isinstance(value, bytes) else value
    decoded.verdicts.reject(WHERE, Fault("message", reason, remedy), shown)
    return Taken(decoded)


def to_regex(pattern: str) -> re.Pattern[str]:
    """Return what a pattern such as `gridwright/{usage_point}/{quantity}` matches."""
    parts = re.split(r"\{(\w+)\}", pattern)
    return re.compile(
        "".join(re.escape(part) if at % 2 == 0 else f"(?P<{part}>[^/]+)" for at, part in enumerate(parts))
    )


def to_filter(pattern: str) -> str:
    """Return the MQTT topic filter of a pattern."""
    return re.sub(r"\{\w+\}", "+", pattern)


__all__ = ["Change", "Messages", "Taken", "to_filter", "to_regex"]
