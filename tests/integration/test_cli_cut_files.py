"""A file that seems cut off is told by an import and by a watched folder alike; one that holds nothing has failed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.command_line import Run
from tests.integration.test_cli import run

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]
NOTHING = "UNB+UNOC:3+9900000000001:500+9900000000002:500+250301:0000+1'UNH+1+MSCONS:D:04B:UN:2.4c'BGM+7+1+9'"
CUT = "100,NEM12,202501010000,MDP1,RET1\n200,N1,E1,E1,E1,N1,M1,kWh,30,\n300,20250101," + ",".join(["1"] * 48) + ",A,,,"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "nothing.txt").write_text(NOTHING)
    (folder / "cut.csv").write_text(f"{CUT}20250102000000,\n")
    return folder


def test_a_watched_folder_tells_it_and_puts_what_holds_nothing_into_failed(run: Run, inbox: Path) -> None:
    code, out, err = run("reading", "watch", inbox, "--once", "--settle", "0.01", "--json")
    assert code in {0, 1}, err
    found = {one["name"]: one for one in json.loads(out)["files"]}
    assert [found[name]["outcome"] for name in ("cut.csv", "nothing.txt")] == ["done", "failed"]
    assert any("no 900 record" in note for note in found["cut.csv"]["notes"])
    assert "cut short" in (inbox / "failed" / "nothing.txt.reason.txt").read_text()


def test_in_words_too(run: Run, inbox: Path) -> None:
    _, out, err = run("reading", "watch", inbox, "--once", "--settle", "0.01")
    told = " ".join((out + err).split())
    assert "note: no 900 record ends the file" in told
    assert "nothing is in it" in told


def test_an_import_of_nothing_is_no_success(run: Run, inbox: Path) -> None:
    code, _, err = run("reading", "import", inbox / "nothing.txt")
    assert (code, "cut short" in err, "fetch the file again" in err) == (1, True, True)
    assert run("reading", "import", inbox / "nothing.txt", "--json")[0] == 1
    assert run("reading", "import", inbox / "cut.csv")[0] == 0
