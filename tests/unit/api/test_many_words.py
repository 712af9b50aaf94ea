"""However many kinds of words a request has, each row is looked at a few times, and the sound ones are taken."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gridwright.api.entrance import decode, defaults_of
from gridwright.api.ingest.lines import decode_lines, mapping_of
from gridwright.api.ingest.rows_by import RowsBy
from gridwright.api.ingest.table import MAX_KINDS, Decoded, Table
from gridwright.settings import Settings

NOW = datetime(2025, 6, 1, tzinfo=UTC)
MAPPING = mapping_of(Settings().line_protocol, 900)
RECORD = {"usage_point": "UP-1", "start": "2025-03-01T00:00:00Z", "kwh": 1, "interval_s": 900}
MANY = 3_000


def from_json(*records: dict[str, Any]) -> Decoded:
    return decode("json", json.dumps(records).encode(), defaults_of({"query_string": b""}, 900), NOW, limit=64 << 20)


@given(number=arrays.arrays(np.int32, st.integers(0, 200), elements=st.integers(0, 39)), many=st.sampled_from([10, 40]))
def test_rows_are_those_that_a_comparison_finds(number: npt.NDArray[np.int32], many: int) -> None:
    number = number % many
    rows = RowsBy(number, many)
    for which in range(many):
        assert rows[which].tolist() == np.flatnonzero(number == which).tolist()


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows were cut out of tables, or compared, in all."""
    seen: list[int] = []
    take, where = Table.at, np.flatnonzero

    def counted(self: Table, rows: Any) -> Table:  # noqa: ANN401
        seen.append(len(rows))
        return take(self, rows)

    def compared(rows: Any) -> Any:  # noqa: ANN401
        seen.append(np.size(rows))
        return where(rows)

    monkeypatch.setattr(Table, "at", counted)
    monkeypatch.setattr(np, "flatnonzero", compared)
    return seen


@pytest.mark.parametrize("field", ["quality", "unit", "reading_type", "interval_s"])
def test_wrong_words_of_json_cost_their_own_rows(looked_at: list[int], field: str) -> None:
    wrong = [RECORD | {field: 100_000 + at if field == "interval_s" else f"x{at}"} for at in range(MANY)]
    if field == "unit":
        wrong = [one | {"value": 1} for one in wrong]
        for one in wrong:
            one.pop("kwh")
    decoded = from_json(*wrong, RECORD)
    assert (decoded.verdicts.rejected, decoded.verdicts.accepted) == (MANY, 1)
    assert sum(looked_at) < MANY * MANY / 10  # each kind against all rows: MANY * MANY


@pytest.mark.parametrize("how", ["tag", "field", "one line"])
def test_wrong_words_of_lines_cost_their_own_rows(looked_at: list[int], how: str) -> None:
    body = {
        "tag": "\n".join(f"energy,usage_point=UP-1,quality=x{at} kwh=1 1740787200" for at in range(MANY)),
        "field": "\n".join(f"energy,usage_point=UP-1 f{at}=1 1740787200" for at in range(MANY)),
        "one line": "energy,usage_point=UP-1 " + ",".join(f"f{at}=1" for at in range(MANY)) + " 1740787200",
    }[how]
    decoded = decode_lines(f"{body}\nenergy,usage_point=UP-1 kwh=1 1740787200".encode(), MAPPING, "s", NOW)
    assert (decoded.verdicts.rejected, decoded.verdicts.accepted) == (MANY, 1)
    assert sum(looked_at) < MANY * MANY / 10  # each kind against all rows: MANY * MANY


@pytest.mark.parametrize("csv", [False, True])
def test_of_too_many_kinds_of_readings_the_first_are_taken(*, csv: bool) -> None:
    records = [RECORD | {"reading_type": f"electricity/delivered/energy/delta/0/C{at}"} for at in range(MAX_KINDS + 20)]
    if csv:
        rows = [",".join(map(str, one.values())) for one in records]
        body = "\n".join([",".join(records[0]), *rows]).encode()
        decoded = decode("csv", body, defaults_of({"query_string": b""}, 900), NOW, limit=64 << 20)
    else:
        decoded = from_json(*records)
    assert (decoded.verdicts.accepted, decoded.verdicts.rejected) == (MAX_KINDS, 20)
    told = decoded.verdicts.listed[0]
    assert (told.fault.field, told.fault.remedy) == ("reading_type", "send them in several requests")
    assert "over 1000 kinds" in told.fault.reason
