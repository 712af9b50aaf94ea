"""By every entrance, in any order, with a channel or without: the same energy is billed once, and told."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from gridwright.api.edge.wire import MEDIA, ClockTrust, EdgeBatch, Record, Report
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.run_billing import BillOrder, BillRun, run_billing
from gridwright.work import tasks
from tests.integration.api.small_town import Town, opened

START = datetime(2026, 11, 19, 14, tzinfo=UTC)  # midnight of market time
DAY = "from=2026-11-19T14:00:00Z&to=2026-11-20T14:00:00Z"
QUARTER = timedelta(minutes=15)
E1 = [(slot % 7 + 1) / 10 for slot in range(96)]
E2 = [(slot % 5) / 4 for slot in range(96)]
WHOLE = [a + b for a, b in zip(E1, E2, strict=True)]
TYPE = "electricity/delivered/energy/delta/0"
Send = Callable[[Town, str, Sequence[float]], None]


@pytest.fixture
def town(town: Town) -> Town:
    town.platform.store.registry.save_points(ME, [UsagePoint("HOME", "Australia/Brisbane")])
    return town


def records(channel: str, kwh: Sequence[float]) -> list[dict[str, Any]]:
    kind = {"reading_type": f"{TYPE}/{channel}"} if channel else {}
    return [
        {"usage_point": "HOME", "start": (START + slot * QUARTER).isoformat(), "kwh": one, "interval_s": 900} | kind
        for slot, one in enumerate(kwh)
    ]


def taken(town: Town, content: str | bytes, media: str) -> None:
    answer = town.ask("POST", "/v1/readings", content=content, headers={"Content-Type": media})
    assert answer.json()["accepted"] == 96, answer.text


def by_json(town: Town, channel: str, kwh: Sequence[float]) -> None:
    assert town.post("/v1/readings", records(channel, kwh)).json()["accepted"] == 96


def by_posts(town: Town, channel: str, kwh: Sequence[float]) -> None:
    """Post each reading by itself."""
    for record in records(channel, kwh):
        assert town.post("/v1/readings", record).status_code == 200


def by_csv(town: Town, channel: str, kwh: Sequence[float]) -> None:
    rows = [",".join(map(str, record.values())) for record in records(channel, kwh)]
    taken(town, "\n".join([",".join(records(channel, kwh)[0]), *rows]), "text/csv")


def by_arrow(town: Town, channel: str, kwh: Sequence[float]) -> None:
    table, out = pa.Table.from_pylist(records(channel, kwh)), io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    taken(town, out.getvalue(), "application/vnd.apache.arrow.stream")


def by_lines(town: Town, channel: str, kwh: Sequence[float]) -> None:
    tag = f",reading_type={TYPE}/{channel}" if channel else ""
    body = "".join(
        f"energy,usage_point=HOME{tag} kwh={one} {int((START + slot * QUARTER).timestamp())}\n"
        for slot, one in enumerate(kwh)
    )
    answer = town.ask("POST", "/api/v2/write?precision=s", content=body)
    assert answer.status_code == 204, answer.text


def by_file(town: Town, channel: str, kwh: Sequence[float]) -> None:
    """Import NEM12 where there is a channel, else CSV."""
    path = Path(str(town.platform.settings.store.url)).with_name(f"file-{channel}.csv")
    if channel:
        day = f"300,20261120,{','.join(map(str, kwh))},A,,,20261121000000,"
        path.write_text(f"100,NEM12,202611210000,MDP1,RET1\n200,HOME,E1E2,{channel},{channel},,,kWh,15,\n{day}\n900\n")
    else:
        rows = [f"HOME,{(START + slot * QUARTER).isoformat()},{one}" for slot, one in enumerate(kwh)]
        path.write_text("\n".join(["usage_point,start,kwh", *rows]))
    town.platform.import_file(path)


def by_edge(town: Town, channel: str, kwh: Sequence[float]) -> None:
    """Bring all as the first record of an edge."""
    came = int(town.platform.clock().timestamp() * 1_000_000)
    body = msgspec.json.encode(records(channel, kwh))
    record = Record(1, "/v1/readings", "application/json", "", came, ClockTrust.RIGHT, stamped=False, body=body)
    content = msgspec.msgpack.encode(EdgeBatch("a1", 1, 1, [record], Report(came)))
    answer = town.ask("POST", "/v1/edges/E-1/batches", "device", content=content, headers={"Content-Type": MEDIA})
    assert answer.json()["accepted"] == 96, answer.text


SENDERS: dict[str, Send] = {
    "json": by_json,
    "posts": by_posts,
    "csv": by_csv,
    "arrow": by_arrow,
    "lines": by_lines,
    "edge": by_edge,
    "file": by_file,
}


def bill(town: Town) -> BillRun:
    platform = town.platform
    order = BillOrder(["HOME"], "2026-11-20", dry_run=True)
    card = platform.rate_card("residential-flat")
    return run_billing(platform.store, ME, order, lambda _: card, platform.site, now=platform.clock())


def billed(town: Town) -> tuple[float, float]:
    """Return the energy of the day: as a bill has it, and as the day totals have it."""
    tasks.correct(town.platform)
    run = bill(town)
    (row,) = town.get(f"/v1/usage-points/HOME/day-totals?{DAY}").json()["items"]
    if row["channels"]:
        assert sum(row["channels"].values()) == pytest.approx(row["kwh"])
    block = town.get(f"/v1/usage-points/HOME/interval-blocks?{DAY}&trusted=true").json()
    assert sum(block["values"]) == pytest.approx(row["kwh"])
    assert run.bills, run.notes
    (made,) = run.bills
    return float(made.energy_kwh), row["kwh"]


def told(town: Town) -> list[tuple[str, str]]:
    items = town.get("/v1/findings?point=HOME&code=V00_same_energy").json()["items"]
    return [(each["channel"], each["message"].split(";")[0]) for each in items]


TWICE = "energy without a channel is that of channel E1 a second time, and counts only where that is not measured"
WHOLE_AGAIN = TWICE.replace("channel E1 a", "channel E1 and channel E2 a")


@pytest.mark.parametrize("how", SENDERS)
def test_energy_that_came_under_e1_and_comes_again_without_a_channel_counts_once(town: Town, how: str) -> None:
    by_file(town, "E1", E1)
    assert billed(town) == pytest.approx((sum(E1), sum(E1)))
    assert told(town) == []
    SENDERS[how](town, "", E1)
    assert billed(town) == pytest.approx((sum(E1), sum(E1)))
    # A file's readings join the only channel; all others stay a series of their own, which is told once.
    assert told(town) == ([] if how == "file" else [("", TWICE)])
    assert billed(town) == pytest.approx((sum(E1), sum(E1)))
    assert len(told(town)) == (how != "file")


@pytest.mark.parametrize("how", ["json", "lines", "arrow", "file"])
def test_the_whole_without_a_channel_beside_its_parts_counts_once_in_any_order(
    built_town: Town, tmp_path: Path, how: str
) -> None:
    for number, order in enumerate(permutations([("", WHOLE), ("E1", E1), ("E2", E2)])):
        folder = tmp_path / str(number)
        folder.mkdir()
        with opened(built_town, folder) as town:
            town.platform.store.registry.save_points(ME, [UsagePoint("HOME", "Australia/Brisbane")])
            for channel, kwh in order:
                (by_json if not channel else SENDERS[how])(town, channel, kwh)
            assert billed(town) == pytest.approx((sum(WHOLE), sum(WHOLE))), order
            assert told(town), order


def test_what_may_be_the_same_is_added_up_and_told(town: Town) -> None:
    by_json(town, "", E1)
    by_lines(town, "E2", E2)
    assert billed(town) == pytest.approx((sum(WHOLE), sum(WHOLE)))
    assert told(town) == [("", "energy without a channel is added to that of channel E2")]
    # It goes when it turns out to be the same, and another is told.
    by_json(town, "", E2)
    assert billed(town) == pytest.approx((sum(E2), sum(E2)))
    assert [message.split(" and counts")[0] for _, message in told(town)] == [
        "energy without a channel is that of channel E2 a second time,"
    ]


def test_one_meter_under_two_codes_counts_once(town: Town) -> None:
    by_json(town, "1-0:1.8.0", E1)
    by_file(town, "E1", E1)
    assert billed(town) == pytest.approx((sum(E1), sum(E1)))
    assert [channel for channel, _ in told(town)] == ["1-0:1.8.0"]


def test_one_file_that_has_both_names_is_told_when_it_is_judged_at_once(town: Town) -> None:
    path = Path(str(town.platform.settings.store.url)).with_name("both.csv")
    rows = [
        f"HOME,{(START + slot * QUARTER).isoformat()},{kind},{one}"
        for kind, kwh in ((TYPE, WHOLE), (f"{TYPE}/E1", E1), (f"{TYPE}/E2", E2))
        for slot, one in enumerate(kwh)
    ]
    path.write_text("\n".join(["usage_point,start,reading_type,kwh", *rows]))
    town.platform.import_trusted(path)
    assert told(town) == [("", WHOLE_AGAIN)]
    assert billed(town) == pytest.approx((sum(WHOLE), sum(WHOLE)))


def test_a_bill_names_what_it_takes_once(town: Town) -> None:
    by_file(town, "E1", E1)
    by_json(town, "", WHOLE)
    tasks.correct(town.platform)
    run = bill(town)
    assert any(note.startswith(f"HOME: {TWICE}; to have both count") for note in run.notes), run.notes
    assert float(run.bills[0].energy_kwh) == pytest.approx(sum(E1))


def test_general_and_controlled_load_of_other_interval_lengths_both_count(town: Town) -> None:
    by_file(town, "E1", E1)
    half_hours = [sum(E2[at : at + 2]) for at in range(0, 96, 2)]
    path = Path(str(town.platform.settings.store.url)).with_name("long.csv")
    day = f"300,20261120,{','.join(map(str, half_hours))},A,,,20261121000000,"
    path.write_text(f"100,NEM12,202611210000,MDP1,RET1\n200,HOME,E1E2,E2,E2,,,kWh,30,\n{day}\n900\n")
    town.platform.import_file(path)
    assert billed(town) == pytest.approx((sum(WHOLE), sum(WHOLE)))
    assert told(town) == []
    assert np.isclose(sum(half_hours), sum(E2))
