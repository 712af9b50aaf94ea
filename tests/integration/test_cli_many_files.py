"""Several files in one import: one that cannot be taken costs itself, and the command says which, and ends with 1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.command_line import Run
from tests.integration.test_cli import run

__all__ = ["run"]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for day in (1, 2):
        rows = [f"UP-1,2026-10-0{day}T{hour:02d}:00:00Z,0.5" for hour in range(24)]
        (tmp_path / f"{day}.csv").write_text("\n".join(["usage_point,start,kwh", *rows, ""]))
    (tmp_path / "empty.csv").write_text("usage_point,start,kwh\n")
    return [tmp_path / name for name in ("1.csv", "nowhere.csv", "empty.csv", "2.csv")]


def test_the_others_are_taken_and_it_is_said_which_were_not(run: Run, files: list[Path]) -> None:
    code, _, err = run("reading", "import", *files)
    assert code == 1
    assert "no such file" in err
    assert "the file has a header and no readings" in err
    assert f"2 of 4 files: 48 new, 0 changed, 0 as before; not taken: {files[1]}, {files[2]}." in err
    assert run("reading", "import", files[0], files[3])[0] == 0


def test_json_has_each_file_once(run: Run, files: list[Path]) -> None:
    code, out, _ = run("reading", "import", *files, "--json")
    told = json.loads(out)["files"]
    assert code == 1
    assert [Path(one["file"]).name for one in told] == [file.name for file in files]
    assert [one.get("new") for one in told] == [24, None, None, 24]
    assert ["error" in one for one in told] == [False, True, True, False]
    assert all(one["error"]["remedy"] for one in told if "error" in one)


def test_a_dry_run_stores_none_of_them(run: Run, files: list[Path]) -> None:
    code, _, err = run("reading", "import", files[0], files[3], "--dry-run")
    assert (code, "2 of 2 files: would be 48 new" in err) == (0, True)
    assert run("reading", "show", "UP-1")[0] == 1


def test_one_file_of_rejects_for_several_is_refused(run: Run, files: list[Path]) -> None:
    code, _, err = run("reading", "import", *files, "--rejects", files[0].parent / "r.csv")
    assert (code, "leave it out, or import one" in err) == (2, True)
