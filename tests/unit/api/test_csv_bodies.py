"""CSV sent over HTTP: what stands behind another header than the first is rejected, and never read by the first."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gridwright.api.answer import Refused
from gridwright.api.ingest.arrow import decode_csv
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.verdicts import LISTED

NOW = datetime(2025, 6, 1, tzinfo=UTC)
HEADER = "usage_point,start,value"
ROWS = [f"U-{hour % 2},2025-03-01T{hour:02d}:00:00Z,0.{hour}5" for hour in range(24)]


@pytest.mark.parametrize(
    "other", ["usage_point,start,wh", "usage_point,start,received_kwh", "value,usage_point,start", "meter,ts,kwh\r"]
)
def test_records_behind_another_header_are_rejected_with_both(other: str) -> None:
    body = "\n".join([HEADER, *ROWS[:10], other, *ROWS[10:], ""])
    decoded = decode_csv(body.encode(), Said(interval_s=3600), NOW)
    verdicts = decoded.verdicts
    assert (decoded.records, verdicts.rejected) == (24, 14)
    assert [each.line for each in verdicts.listed] == list(range(13, 27))
    assert [each.index for each in verdicts.listed] == list(range(10, 24))
    assert other.strip() in verdicts.listed[0].fault.reason
    assert "line 12" in verdicts.listed[0].fault.reason
    assert HEADER in verdicts.listed[0].fault.reason


def test_many_of_them_are_counted_and_the_first_listed() -> None:
    rows = ROWS * (LISTED // 24 + 2)
    decoded = decode_csv(
        "\n".join([HEADER, ROWS[0], "usage_point,start,wh", *rows]).encode(), Said(interval_s=3600), NOW
    )
    assert decoded.verdicts.rejected == len(rows)
    assert len(decoded.verdicts.listed) == LISTED


def test_the_same_header_again_costs_its_own_line() -> None:
    decoded = decode_csv("\n".join([HEADER, *ROWS[:10], HEADER, *ROWS[10:]]).encode(), Said(interval_s=3600), NOW)
    assert (decoded.records, decoded.verdicts.rejected) == (25, 1)


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
@pytest.mark.parametrize("rows", [[], ROWS[:3]])
def test_a_body_that_ends_within_a_quote_is_refused(rows: list[str], end: str) -> None:
    body = "\n".join([HEADER, *rows, 'U-1,2025-03-01T10:00:00Z,"1']) + end
    with pytest.raises(Refused) as refused:
        decode_csv(body.encode(), Said(interval_s=3600), NOW)
    assert f"line {len(rows) + 2} opens a quote" in refused.value.answer.body.decode()
    whole = decode_csv(f'{body.rstrip()}2"\n'.encode(), Said(interval_s=3600), NOW)
    assert whole.verdicts.rejected == 0
