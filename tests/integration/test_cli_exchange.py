"""Exporting and watching on the command line: files, pipes and devices, JSON, and exit codes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Thread

import pytest

from tests.integration.command_line import Run, commands

DAY = "meter,start,kWh\n" + "".join(
    f"{home},2025-03-01T{slot // 4:02d}:{slot % 4 * 15:02d}:00Z,0.{slot * 37 % 96:03d}\n"
    for home in ("A", "B")
    for slot in range(96)
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    return commands(monkeypatch, capsys)


def test_watch_then_export_and_back_again(run: Run, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "day.csv").write_text(DAY)
    (inbox / "odd.csv").write_text("nothing to see")
    code, out, _ = run("reading", "watch", inbox, "--once", "--settle", "0.05", "--json")
    files = {one["name"]: one for one in json.loads(out)["files"]}
    assert code == 1
    assert (files["day.csv"]["outcome"], files["day.csv"]["new"]) == ("done", 192)
    assert (files["odd.csv"]["outcome"], files["odd.csv"]["error"]["error"]) == ("failed", "UnreadableFile")
    code, out, _ = run("reading", "export", "--format", "cmep", "-o", "all.cmep", "--json")
    told = json.loads(out)
    assert (code, told["readings"], told["usage_points"], told["left_out"]) == (0, 192, ["A", "B"], [])
    assert told["bytes"] == (tmp_path / "all.cmep").stat().st_size
    code, out, _ = run("reading", "import", "all.cmep", "--json")
    assert (code, json.loads(out)["same"]) == (0, 192)
    code, out, err = run("reading", "export", "A", "--from", "2025-03-01", "--to", "2025-03-01T01:00")
    assert (code, len(out.splitlines())) == (0, 5)
    assert "Exported 4 readings" in err


def test_an_export_says_what_the_format_does_not_tell(run: Run, tmp_path: Path) -> None:
    days = "".join(f"300,2025030{day},{','.join(['0.5'] * 48)},S14,,,,\n" for day in (1, 2))
    (tmp_path / "m.csv").write_text(f"100,NEM12,202503030000,X,Y\n200,N1,E1,E1,E1,,,kWh,30,\n{days}900\n")
    assert run("reading", "import", "m.csv")[0] == 0
    told = json.loads(run("reading", "export", "--format", "cim-xml", "-o", "m.xml", "--json")[1])["notes"]
    assert told == [
        "cim-xml does not tell every channel: channel E1 comes back without one (N1)",
        "cim-xml has no word for every quality: estimated:like-day comes back as estimated",
        "cim-xml does not tell the zone Australia/Brisbane: read it with --zone Australia/Brisbane",
    ]
    out = "".join(run("reading", "export", "--format", "nem12", "-o", "back.csv")[1:])
    assert "note:" not in out
    assert "note: cmep does not tell" in "".join(run("reading", "export", "--format", "cmep", "-o", "m.cmep")[1:])


@pytest.mark.parametrize("name", ["cim-xml", "cmep", "mscons", "nem12", "wide-csv"])
def test_who_follows_what_is_said_of_the_zone_reads_the_same(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Over both changes of the clock, where a zone that is taken for that of the stamps shifts and loses readings."""
    rows = [f"A,2025-{day}T{hour:02}:00:00Z,0.{hour + 1:02}" for day in ("03-30", "10-26") for hour in range(24)]
    Path("two.csv").write_text("\n".join(["usage_point,start,kwh", *rows, ""]))
    assert run("reading", "import", "two.csv", "--zone", "Europe/London", "--interval", "60")[0] == 0
    notes = json.loads(run("reading", "export", "--format", name, "-o", "there", "--json")[1])["notes"]
    (note,) = (each for each in notes if "does not tell the zone Europe/London" in each)
    given = ("--zone", "Europe/London") if note.endswith("read it with --zone Europe/London") else ()
    monkeypatch.setenv("GRIDWRIGHT_SITE__ZONE", "UTC" if given else note.rpartition("site.zone is ")[2])
    monkeypatch.setenv("GRIDWRIGHT_STORE__URL", "elsewhere.db")
    assert run("reading", "import", "there", *given)[0] == 0
    point = json.loads(run("usage-point", "list", "--json")[1])["usage_points"][0]
    there = json.loads(run("reading", "show", "A", "--json")[1])["readings"]
    monkeypatch.delenv("GRIDWRIGHT_STORE__URL")
    here = json.loads(run("reading", "show", "A", "--json")[1])["readings"]
    assert point["zone"] == "Europe/London"
    assert [one for one in there if one["kwh"] is not None] == [one for one in here if one["kwh"] is not None]


def test_an_export_keeps_links_and_devices_and_leaves_no_half_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "day.csv").write_text(DAY)
    run("reading", "import", "day.csv")
    (tmp_path / "link.csv").symlink_to("target.csv")
    assert run("reading", "export", "-o", "link.csv")[0] == 0
    assert (tmp_path / "link.csv").is_symlink()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[bytes] = []
    listener = Thread(target=lambda: heard.append(pipe.read_bytes()))
    listener.start()
    assert run("reading", "export", "-o", "pipe")[0] == 0
    listener.join()
    assert heard == [(tmp_path / "target.csv").read_bytes()]
    assert pipe.is_fifo()
    before = sorted(path.name for path in tmp_path.iterdir())
    code, _, err = run("reading", "export", "--period", "2001", "-o", "none.csv")
    assert (code, "nothing to export" in err) == (1, True)
    code, _, err = run("reading", "export", "-o", "no/such/folder.csv")
    assert (code, "No such file or directory" in err) == (1, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("export", "--json"), 2, "cannot both go to standard output"),
        (("export", "--image", "new"), 2, "there is no image 'new'"),
        (("export", "--format", "pdf"), 2, "nothing can be exported as 'pdf'"),
        (("export", "--period", "2025", "--to", "2026"), 2, "the same thing twice"),
        (("export", "nobody"), 1, "not registered"),
        (("watch", "nowhere", "--once"), 1, "there is no such folder"),
        (("watch", ".", "--json"), 2, "add --once"),
    ],
)
def test_wrong_calls_are_answered(run: Run, words: tuple[str, ...], code: int, says: str) -> None:
    ended, out, err = run("reading", *words)
    assert ended == code
    assert says in out + err
