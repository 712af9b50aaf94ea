"""A name that means a folder in every address is refused at every entrance, and waits in no quarantine."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from gridwright.api.entrance import decode
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.table import name_fault

NOW = datetime(2025, 6, 1, tzinfo=UTC)
START = "2025-03-01T00:00:00Z"
FORMS = {
    "json": lambda name: json.dumps([{"usage_point": name, "start": START, "value": 0.5}]),
    "ndjson": lambda name: json.dumps({"usage_point": name, "start": START, "value": 0.5}) + "\n",
    "csv": lambda name: f"usage_point,start,value\n{name},{START},0.5\n",
}


@pytest.mark.parametrize("kind", list(FORMS))
@pytest.mark.parametrize("name", [".", ".."])
def test_a_folder_is_no_name(kind: str, name: str) -> None:
    decoded = decode(kind, FORMS[kind](name).encode(), Said(interval_s=3600), NOW)
    verdicts = decoded.verdicts
    assert (verdicts.accepted, verdicts.quarantined, verdicts.rejected) == (0, 0, 1)
    assert "folder" in verdicts.listed[0].fault.reason
    assert verdicts.listed[0].value == name


@pytest.mark.parametrize("kind", list(FORMS))
def test_a_name_with_points_is_one(kind: str) -> None:
    assert decode(kind, FORMS[kind]("a..b").encode(), Said(interval_s=3600), NOW).verdicts.accepted == 1
    assert name_fault("...") is None
