"""True and false in lines are a state, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gridwright.api.ingest.lines import LineMapping, decode_lines, usual_fields
from gridwright.api.ingest.meaning import Said

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MAPPING = LineMapping(usual_fields() | {"switch": Said(unit="1")})
AT = 1_764_000_000


@pytest.mark.parametrize("lines", [1, 40])
@pytest.mark.parametrize("text", ["t", "True", "false"])
def test_a_boolean_is_no_energy(text: str, lines: int) -> None:
    body = "".join(f"energy,usage_point=town energy_kwh={text} {AT + 900 * at}\n" for at in range(lines))
    verdicts = decode_lines(body.encode(), MAPPING, "s", NOW).verdicts
    assert (verdicts.accepted, verdicts.rejected) == (0, lines)
    assert verdicts.listed[0].fault.reason == "it is true or false, and no number"
    assert verdicts.listed[0].value == ("false" if text == "false" else "true")


def test_a_state_may_be_true_and_its_neighbours_stay() -> None:
    body = (
        f"energy,usage_point=UP-1,kind=t energy_kwh=1,switch=t {AT}\n"
        f"energy,usage_point=UP-1 energy_kwh=t,voltage=231 {AT + 900}\n"
        f'energy,usage_point=UP\\ 1 energy_kwh=0,note="kwh=t" {AT}\n'
    )
    verdicts = decode_lines(body.encode(), MAPPING, "s", NOW).verdicts
    assert [one.line for one in verdicts.listed if "true or false" in one.fault.reason] == [2]
    assert verdicts.accepted == 4
