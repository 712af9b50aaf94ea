"""Text beside the numbers of a line, as agents send it with each: left out and told, where it can be no reading."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from gridwright.api.entrance_lines import taken_without
from gridwright.api.ingest import lines
from gridwright.api.ingest.lines import DecodedLines, LineMapping, decode_lines, usual_fields
from gridwright.api.ingest.texts import REMEMBERED, LeftOut

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
MAPPING = LineMapping(usual_fields())


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LEFT_OUT", LeftOut())


def decoded(fields: str, tags: str = "em,usage_point=UP-1", mapping: LineMapping = MAPPING) -> DecodedLines:
    return decode_lines(f"{tags} {fields} 1740830400".encode(), mapping, "s", NOW)


def refused(found: DecodedLines) -> list[tuple[str, str, str]]:
    return [(one.fault.field, str(one.value), one.fault.reason) for one in found.verdicts.listed]


@pytest.mark.parametrize(
    "text",
    [
        'status="ok"',
        'friendly_name_str="Küche, oben",icon_str="mdi:flash",state_class_str="total"',
        'firmware="v1.14.0-gcb84623"',
        'since="2025-03-01 12:00"',
        'note="say \\"hi\\""',
        'empty=""',
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_text_that_means_no_reading_costs_nothing(text: str, first: bool) -> None:
    found = decoded(f"{text},kwh=0.25" if first else f"kwh=0.25,{text}")
    assert (found.verdicts.accepted, found.verdicts.rejected, refused(found)) == (1, 0, [])
    assert [name.split("/")[0] for name in found.left_out] == ["em"] * len(found.left_out)
    assert len(found.left_out) == text.count('="') - text.count('=\\"')


@pytest.mark.parametrize(
    ("fields", "field", "value", "accepted"),
    [
        ('kwh="0.25",voltage=230.1', "kwh", "0.25", 1),  # its name means a reading
        ('state="unavailable",kwh=0.25', "state", "unavailable", 1),
        ('total="1234.5",kwh=0.25', "total", "1234.5", 1),  # a number in quotes
        ('total=" 1,5 ",kwh=0.25', "total", " 1,5 ", 1),
        ('total="15i",kwh=0.25', "total", "15i", 1),
        ('status="ok"', "status", "ok", 0),  # nothing else stands in the line
    ],
)
def test_text_that_may_have_been_a_reading_is_refused(fields: str, field: str, value: str, accepted: int) -> None:
    found = decoded(fields)
    assert (found.verdicts.accepted, found.verdicts.rejected) == (accepted, 1)
    assert refused(found) == [(field, value, "it is text, not a number")]
    assert "without quotes" in found.verdicts.listed[0].fault.remedy
    assert not found.left_out


def test_a_line_of_text_alone_is_refused_beside_lines_with_numbers() -> None:
    body = b'em,meter=M kwh=0.25,status="ok" 1740830400\nlog,meter=M message="hello there" 1740830400\n'
    found = decode_lines(body, MAPPING, "s", NOW)
    assert (found.verdicts.accepted, found.verdicts.rejected, list(found.left_out)) == (1, 1, ["em/status"])
    assert found.verdicts.listed[0].line == 2


def test_a_value_whose_tags_mean_a_reading_is_refused_as_text() -> None:
    found = decoded('value="idle",kwh=0.25,status="ok"', "odd,usage_point=UP-1,unit=kWh")
    assert (refused(found)[0][:2], list(found.left_out)) == (("value", "idle"), ["odd/status"])


@pytest.mark.parametrize("ignored", ["total", "em", "em/total"])
def test_what_is_listed_under_ignore_is_no_word_worth(ignored: str) -> None:
    found = decoded('total="1",kwh=0.25', mapping=replace(MAPPING, ignore=frozenset({ignored})))
    assert (found.verdicts.rejected, list(found.left_out)) == (0, [])


def test_the_log_tells_each_field_once() -> None:
    with capture_logs() as told:
        for _ in range(3):
            decoded('kwh=0.25,status="ok"')
        decoded('kwh=0.25,status="ok"', "other,usage_point=UP-1")
    assert [one["field"] for one in told] == ["em/status", "other/status"]
    with capture_logs() as told:
        LeftOut().tell(f"m/{number}" for number in range(2 * REMEMBERED))
    assert len(told) == REMEMBERED


def test_the_answer_names_what_was_left_out() -> None:
    answer = taken_without(["em/status", "em/Küche\n\x7f"])
    assert answer.status == 204
    assert dict(answer.headers)[b"x-gridwright-left-out"] == b"em/status, em/K?che"
