"""By every entrance, a day in Wh that comes again with a digit more counts once, and so does one that rounds it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from gridwright.api.edge.wire import MEDIA, ClockTrust, EdgeBatch, Record, Report
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.usage_point import UsagePoint
from tests.integration.api.small_town import Town, opened
from tests.integration.test_same_energy import DAY, E1, QUARTER, START, billed, taken

COARSE, FINE = (f"electricity/delivered/energy/delta/{exponent}" for exponent in (0, -3))
TENTHS = [round(kwh + 0.0003, 4) for kwh in E1]
Send = Callable[[Town, str, Sequence[float]], None]


@pytest.fixture
def town(town: Town) -> Town:
    town.platform.store.registry.save_points(ME, [UsagePoint("HOME", "Australia/Brisbane")])
    return town


def records(kind: str, kwh: Sequence[float]) -> list[dict[str, Any]]:
    common = {"usage_point": "HOME", "interval_s": 900, "reading_type": kind}
    return [common | {"start": (START + slot * QUARTER).isoformat(), "kwh": one} for slot, one in enumerate(kwh)]


def by_json(town: Town, kind: str, kwh: Sequence[float]) -> None:
    assert town.post("/v1/readings", records(kind, kwh)).json()["accepted"] == 96


def by_posts(town: Town, kind: str, kwh: Sequence[float]) -> None:
    for record in records(kind, kwh):
        assert town.post("/v1/readings", record).status_code == 200


def by_csv(town: Town, kind: str, kwh: Sequence[float]) -> None:
    rows = [",".join(map(str, record.values())) for record in records(kind, kwh)]
    taken(town, "\n".join([",".join(records(kind, kwh)[0]), *rows]), "text/csv")


def by_arrow(town: Town, kind: str, kwh: Sequence[float]) -> None:
    table, out = pa.Table.from_pylist(records(kind, kwh)), io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    taken(town, out.getvalue(), "application/vnd.apache.arrow.stream")


def by_lines(town: Town, kind: str, kwh: Sequence[float]) -> None:
    at = [int((START + slot * QUARTER).timestamp()) for slot in range(len(kwh))]
    lines = [
        f"energy,usage_point=HOME,reading_type={kind} kwh={one} {when}\n" for one, when in zip(kwh, at, strict=True)
    ]
    answer = town.ask("POST", "/api/v2/write?precision=s", content="".join(lines))
    assert answer.status_code == 204, answer.text


def by_edge(town: Town, kind: str, kwh: Sequence[float]) -> None:
    came = int(town.platform.clock().timestamp() * 1_000_000)
    number = 1 if kind == COARSE or not town.get("/v1/edges").json()["items"] else 2
    body = msgspec.json.encode(records(kind, kwh))
    record = Record(number, "/v1/readings", "application/json", "", came, ClockTrust.RIGHT, stamped=False, body=body)
    content = msgspec.msgpack.encode(EdgeBatch("a1", number, number, [record], Report(came)))
    answer = town.ask("POST", "/v1/edges/E-1/batches", "device", content=content, headers={"Content-Type": MEDIA})
    assert answer.json()["accepted"] == 96, answer.text


def by_file(town: Town, kind: str, kwh: Sequence[float]) -> None:
    """Import a file, whose values tell its resolution."""
    path = Path(str(town.platform.settings.store.url)).with_name(f"file-{kwh[0]}.csv")
    rows = [f"HOME,{(START + slot * QUARTER).isoformat()},{one}" for slot, one in enumerate(kwh)]
    path.write_text("\n".join(["usage_point,start,kwh", *rows]))
    town.platform.import_file(path)


def by_nem12(town: Town, kind: str, kwh: Sequence[float]) -> None:
    path = Path(str(town.platform.settings.store.url)).with_name(f"nem12-{kwh[0]}.csv")
    day = f"300,20261120,{','.join(map(str, kwh))},A,,,20261121000000,"
    path.write_text(f"100,NEM12,202611210000,MDP1,RET1\n200,HOME,E1,E1,E1,,,kWh,15,\n{day}\n900\n")
    town.platform.import_file(path)


SENDERS: dict[str, Send] = {
    "json": by_json,
    "posts": by_posts,
    "csv": by_csv,
    "arrow": by_arrow,
    "lines": by_lines,
    "edge": by_edge,
    "file": by_file,
    "nem12": by_nem12,
}


@pytest.mark.parametrize("sender", SENDERS)
def test_a_day_that_comes_again_with_more_digits_counts_once(town: Town, sender: str) -> None:
    send = SENDERS[sender]
    send(town, COARSE, E1)
    assert billed(town) == pytest.approx((sum(E1), sum(E1)))
    send(town, FINE, TENTHS)
    assert billed(town) == pytest.approx((sum(TENTHS), sum(TENTHS)), abs=0.0005)
    channel = "/E1" if sender == "nem12" else ""
    block = town.get(f"/v1/usage-points/HOME/interval-blocks?{DAY}&reading-type={COARSE}{channel}").json()
    assert sum(block["values"]) == pytest.approx(sum(TENTHS))
    by_json(town, COARSE + channel, E1)  # as another sender rounds it
    assert billed(town) == pytest.approx((sum(TENTHS), sum(TENTHS)), abs=0.0005)


__all__ = ["opened"]


def test_the_first_hours_with_more_digits_are_read_with_those_before(town: Town) -> None:
    """Until the series follows, its days are stored in two resolutions: who asks for either is given all of them."""
    by_json(town, COARSE, E1)
    body = records(FINE, TENTHS[:48])
    assert town.post("/v1/readings", body[:40]).json()["accepted"] == 40  # the first UTC day alone
    for kind in (COARSE, FINE):
        block = town.get(f"/v1/usage-points/HOME/interval-blocks?{DAY}&reading-type={kind}").json()
        assert sum(block["values"]) == pytest.approx(sum([*TENTHS[:40], *E1[40:]]))
    days = [
        town.get(f"/v1/usage-points/HOME/versions?day={day}").json()["items"] for day in ("2026-11-19", "2026-11-20")
    ]
    assert list(map(len, days)) == [2, 1]
