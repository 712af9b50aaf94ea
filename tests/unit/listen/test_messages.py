"""What the topic of a message says, and what it leaves out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gridwright.api.ingest.lines import LineMapping, usual_fields
from gridwright.listen.messages import Messages

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MESSAGES = Messages(LineMapping(usual_fields()), ("gridwright/{usage_point}/{quantity}",))


@pytest.mark.parametrize(
    ("topic", "level"),
    [
        ("gridwright//voltage", "usage_point"),
        ("gridwright/UP-1/", "quantity"),
        ("gridwright//", "usage_point"),
    ],
)
def test_an_empty_level_of_a_topic_is_named(topic: str, level: str) -> None:
    verdicts = MESSAGES.take(topic, b"230.1", NOW).decoded.verdicts
    assert (verdicts.accepted, verdicts.rejected) == (0, 1)
    told = verdicts.listed[0].to_dict()
    assert told["reason"] == f"its level for {{{level}}} is empty"
    assert told["value"] == topic


def test_a_full_topic_is_taken() -> None:
    verdicts = MESSAGES.take("gridwright/UP-1/voltage", b"230.1", NOW).decoded.verdicts
    assert (verdicts.accepted, verdicts.rejected) == (1, 0)
