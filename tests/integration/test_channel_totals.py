"""A meter that counts in several channels: its days are their sum, as the bill has it, and each channel is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gridwright.api.app import make_app
from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER, Role
from gridwright.domain.identity import User
from gridwright.settings import load_settings
from tests.integration.api.small_town import Town
from tests.integration.command_line import Run, commands

E1, E2, B1 = [1.0] * 47 + [5.0], [2.0] * 47 + [0.5], [0.25] * 48
DAY = "from=2025-02-28T14:00:00Z&to=2025-03-01T14:00:00Z"
CHANNEL = "electricity/delivered/energy/delta/0/E1"


def nem12(days: tuple[str, ...] = ("20250301", "20250302"), e2: list[float] = E2) -> str:
    lines = ["100,NEM12,202503030000,MDP1,RET1"]
    for register, values in (("E1", E1), ("E2", e2), ("B1", B1)):
        lines.append(f"200,N1,E1E2B1,{register},{register},N,M1,kWh,30,")
        lines += [f"300,{day},{','.join(map(str, values))},A,,,20250303000000," for day in days]
    return "\n".join([*lines, "900", ""])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    command = commands(monkeypatch, capsys)

    (tmp_path / "n1.csv").write_text(nem12())
    assert command("reading", "import", "n1.csv", "--validate")[0] == 0
    return command


@contextmanager
def asked() -> Iterator[Town]:
    """Serve the store of this folder."""
    platform = Platform(load_settings(None).settings)
    platform.store.identities.save_user(LOCAL_OWNER, User("ann", Role.ADMIN, None))
    key = platform.store.identities.create_key(LOCAL_OWNER, "ann")[1]
    try:
        yield Town(platform, {"admin": key}, {}, make_app(platform))
    finally:
        platform.close()


def test_days_are_the_sum_of_their_channels(run: Run) -> None:
    rows = json.loads(run("usage-point", "totals", "N1", "--json")[1])
    assert [(row["day"], row["kwh"], row["channels"]) for row in rows] == [
        ("2025-03-01", 146.5, {"E1": 52.0, "E2": 94.5}),
        ("2025-03-02", 146.5, {"E1": 52.0, "E2": 94.5}),
    ]
    # The highest interval is that of the sum: 5.5 kWh in half an hour, not 5 in one and 2 in another.
    assert [(row["peak_kw"], row["peak_slot"], row["measured"]) for row in rows] == [(11.0, 47, 48)] * 2
    _, out, _ = run("usage-point", "totals", "N1", "--period", "2025-03-01")
    assert out.splitlines()[0].split("\t")[:5] == ["day", "kWh", "E1 kWh", "E2 kWh", "peak kW"]
    series = json.loads(run("usage-point", "show", "N1", "--json")[1])["series"]
    assert [each["channel"] for each in series] == ["E1", "E2", "B1"]
    bill = run("bill", "run", "--usage-point", "N1", "--period", "2025-03-01/2025-03-02", "--json")[1]
    assert json.loads(bill)["bills"][0]["energy_kwh"] == "146.500"


def test_the_api_tells_the_sum_and_each_channel(run: Run) -> None:
    with asked() as town:
        path = f"/v1/usage-points/N1/day-totals?{DAY}"
        (row,) = town.get(path).json()["items"]
        assert (row["kwh"], row["channels"]) == (146.5, {"E1": 52.0, "E2": 94.5})
        (one,) = town.get(f"{path}&reading-type={CHANNEL}").json()["items"]
        assert (one["kwh"], one["peak_kw"], one["channels"]) == (52.0, 10.0, {"E1": 52.0})
        (fed,) = town.get(f"{path}&reading-type=electricity/received/energy/delta/0").json()["items"]
        assert (fed["kwh"], fed["channels"]) == (12.0, {"B1": 12.0})
        table = town.get(path, headers={"Accept": "text/csv"}).text.splitlines()
        assert table[0].endswith("missing,channels.E1,channels.E2")
        for more in ("", "&trusted=true", "&image=final"):
            block = town.get(f"/v1/usage-points/N1/interval-blocks?{DAY}{more}")
            assert sum(block.json()["values"]) == 146.5, block.text
        one_block = town.get(f"/v1/usage-points/N1/interval-blocks?{DAY}&reading-type={CHANNEL}").json()
        assert sum(one_block["values"]) == 52.0
        absent = town.get(f"/v1/usage-points/N1/interval-blocks?{DAY}&reading-type=electricity/net/energy/delta/0")
        assert absent.status_code == 404


def test_the_sum_is_told_as_it_was_known(run: Run, tmp_path: Path) -> None:
    before = json.loads(run("usage-point", "totals", "N1", "--json")[1])
    with asked() as town:
        then = town.platform.clock().isoformat()
    (tmp_path / "again.csv").write_text(nem12(("20250302",), [3.0] * 48))
    assert run("reading", "import", "again.csv", "--validate")[0] == 0
    now = json.loads(run("usage-point", "totals", "N1", "--json")[1])
    assert [row["kwh"] for row in now] == [146.5, 196.0]
    assert json.loads(run("usage-point", "totals", "N1", "--as-of", then, "--json")[1]) == before


def test_days_whose_intervals_are_archived_are_as_before_and_without_the_file_keep_their_sum(
    run: Run, tmp_path: Path
) -> None:
    before = json.loads(run("usage-point", "totals", "N1", "--json")[1])
    code, _, err = run("archive", "run", "--to", tmp_path / "away", "--before", "2026-01", "--drop")
    assert code == 0, err
    assert json.loads(run("usage-point", "totals", "N1", "--json")[1]) == before
    (tmp_path / "away").rename(tmp_path / "elsewhere")
    after = json.loads(run("usage-point", "totals", "N1", "--json")[1])
    assert [(row["day"], row["kwh"], row["channels"]) for row in after] == [
        (row["day"], row["kwh"], row["channels"]) for row in before
    ]


def test_findings_tell_their_channel(run: Run) -> None:
    listed = json.loads(run("finding", "list", "--code", "V17_stuck", "--json")[1])
    found = {(each["channel"], each["from"]) for each in listed["findings"]}
    assert {channel for channel, _ in found} == {"E1", "E2", "B1"}
    head, *rows = run("finding", "list", "--code", "V17_stuck")[1].splitlines()
    at = head.split("\t").index("channel")
    assert {row.split("\t")[at] for row in rows} == {"E1", "E2", "B1"}
    shown = json.loads(run("usage-point", "show", "N1", "--json")[1])["findings"]
    assert {each["channel"] for each in shown} == {"E1", "E2", "B1"}
    with asked() as town:
        items = town.get("/v1/findings?code=V17_stuck").json()["items"]
        assert {(each["channel"], each["reading_type"].rpartition("/")[2]) for each in items} == {
            (name, name) for name in ("E1", "E2", "B1")
        }


def test_the_same_energy_without_a_channel_is_in_no_total_archived_or_not(run: Run, tmp_path: Path) -> None:
    before = json.loads(run("usage-point", "totals", "N1", "--json")[1])
    begin = datetime(2025, 3, 1, tzinfo=ZoneInfo("Australia/Brisbane"))
    rows = [
        f"N1,{(begin + slot * timedelta(minutes=30)).isoformat()},{E1[slot % 48] + E2[slot % 48]}" for slot in range(96)
    ]
    (tmp_path / "whole.csv").write_text("\n".join(["usage_point,start,kwh", *rows]))
    assert run("reading", "import", "whole.csv", "--validate")[0] == 0
    assert json.loads(run("usage-point", "totals", "N1", "--json")[1]) == before
    code, _, err = run("archive", "run", "--to", tmp_path / "away", "--before", "2026-01", "--drop")
    assert code == 0, err
    after = json.loads(run("usage-point", "totals", "N1", "--json")[1])
    assert [(row["kwh"], row["channels"]) for row in after] == [(row["kwh"], row["channels"]) for row in before]
