"""By every entrance, values that no exact number could hold beside what is stored are refused, and the rest is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from gridwright.api.edge.wire import MEDIA, ClockTrust, EdgeBatch, Record, Report
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.usage_point import UsagePoint
from tests.integration.api.small_town import Town, opened
from tests.integration.test_same_energy import QUARTER, START

MICRO = "electricity/delivered/energy/delta/-6"
HUGE_KWH, FIRST_DAY = 10_000_000.0, 40  # slots of the first UTC day
DIGITS = [0.250000001, *[0.25] * 95]
Send = Callable[[Town, Sequence[float]], str]


@pytest.fixture
def town(town: Town) -> Town:
    """Have a usage point of which an hour of 10 GWh is stored, in Wh."""
    store = town.platform.store
    store.registry.save_points(ME, [UsagePoint("HOME", "Australia/Brisbane")])
    huge = Panel(("HOME",), START - timedelta(days=3), QUARTER, np.full((1, 4), HUGE_KWH * 1000))
    store.readings.save(ME, huge, known_at=town.platform.clock())
    return town


def records(kwh: Sequence[float]) -> list[dict[str, Any]]:
    common = {"usage_point": "HOME", "interval_s": 900, "reading_type": MICRO}
    return [common | {"start": (START + slot * QUARTER).isoformat(), "kwh": one} for slot, one in enumerate(kwh)]


def by_json(town: Town, kwh: Sequence[float]) -> str:
    answer = town.post("/v1/readings", records(kwh)).json()
    assert (answer["accepted"], answer["rejected"]) == (96 - FIRST_DAY, FIRST_DAY)
    return str(answer)


def by_posts(town: Town, kwh: Sequence[float]) -> str:
    answers = [town.post("/v1/readings", record).json() for record in records(kwh)]
    assert [answer["rejected"] for answer in answers] == [1, *[0] * 95]
    return str(answers[0])


def by_csv(town: Town, kwh: Sequence[float]) -> str:
    rows = [",".join(map(str, record.values())) for record in records(kwh)]
    content = "\n".join([",".join(records(kwh)[0]), *rows])
    answer = town.ask("POST", "/v1/readings", content=content, headers={"Content-Type": "text/csv"}).json()
    assert (answer["accepted"], answer["rejected"]) == (96 - FIRST_DAY, FIRST_DAY)
    return str(answer)


def by_edge(town: Town, kwh: Sequence[float]) -> str:
    came = int(town.platform.clock().timestamp() * 1_000_000)
    body = msgspec.json.encode(records(kwh))
    record = Record(1, "/v1/readings", "application/json", "", came, ClockTrust.RIGHT, stamped=False, body=body)
    content = msgspec.msgpack.encode(EdgeBatch("a1", 1, 1, [record], Report(came)))
    answer = town.ask("POST", "/v1/edges/E-1/batches", "device", content=content, headers={"Content-Type": MEDIA})
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (96 - FIRST_DAY, FIRST_DAY), answer.text
    return answer.text


def by_lines(town: Town, kwh: Sequence[float]) -> str:
    at = [int((START + slot * QUARTER).timestamp()) for slot in range(len(kwh))]
    lines = [
        f"energy,usage_point=HOME,reading_type={MICRO} kwh={one} {when}\n" for one, when in zip(kwh, at, strict=True)
    ]
    answer = town.ask("POST", "/api/v2/write?precision=s", content="".join(lines))
    assert answer.status_code != 204
    return answer.text


def by_file(town: Town, kwh: Sequence[float]) -> str:
    path = Path(str(town.platform.settings.store.url)).with_name("micro.csv")
    rows = [f"HOME,{(START + slot * QUARTER).isoformat()},{one}" for slot, one in enumerate(kwh)]
    path.write_text("\n".join(["usage_point,start,kwh", *rows]))
    done = town.platform.import_file(path)
    assert (done.intake.accepted, done.intake.rejected) == (96 - FIRST_DAY, FIRST_DAY)
    return str(done.intake.rejects)


SENDERS: dict[str, Send] = {
    "json": by_json,
    "posts": by_posts,
    "csv": by_csv,
    "edge": by_edge,
    "lines": by_lines,
    "file": by_file,
}


@pytest.mark.parametrize("sender", SENDERS)
def test_more_digits_than_can_be_counted_beside_what_is_stored_are_refused(town: Town, sender: str) -> None:
    told = SENDERS[sender](town, DIGITS)
    for part in ("250000001 times 1e-06 Wh", "10000000000 Wh is stored", "more than 2^53 counts"):
        assert part in told
    (only,) = [one for one in town.platform.store.readings.series(ME, "HOME") if one.readings]
    refused = 1 if sender == "posts" else FIRST_DAY
    assert (only.reading_type, only.readings) == (DELIVERED_ENERGY, 4 + 96 - refused)


def test_readings_that_are_added_up_to_stored_hours_are_refused_like_others(town: Town) -> None:
    """The first UTC day of the file is stored in hours of 10 GWh: neither the quarters nor their sums can join them."""
    hours = Panel(("HOME",), START + 4 * QUARTER, timedelta(hours=1), np.full((1, 1), HUGE_KWH * 1000))
    town.platform.store.readings.save(ME, hours, known_at=town.platform.clock())
    told = by_file(town, DIGITS)
    assert "more than 2^53 counts" in told


def test_a_value_too_large_for_the_stored_digits_is_refused(town: Town) -> None:
    """In a file, whose values tell the resolution, and by HTTP; what comes beside it for others is kept."""
    store = town.platform.store
    store.registry.save_points(ME, [UsagePoint(name, "Australia/Brisbane") for name in ("FINE", "OTHER")])
    fine = Panel(("FINE",), START, QUARTER, np.full((1, 4), 1_500_000.0), reading_type=DELIVERED_ENERGY.finer(-6))
    store.readings.save(ME, fine, known_at=town.platform.clock())
    when = (START + 96 * QUARTER).isoformat()
    sent = [{"usage_point": name, "start": when, "interval_s": 900, "kwh": HUGE_KWH} for name in ("FINE", "OTHER")]
    answer = town.post("/v1/readings", sent).json()
    assert (answer["accepted"], answer["rejected"]) == (1, 1)
    assert "10000000000 Wh at" in str(answer)
    assert "cannot be counted in 1e-06 Wh" in str(answer)
    assert [one.readings for one in store.readings.series(ME, "FINE")] == [4]


__all__ = ["opened"]
