"""The benchmark harness: rows survive JSON, goals are judged, the page is rewritten between its markers only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks import __main__ as runner
from benchmarks.harness import Peer, Row, Timing, faster_than, from_json, line, main, more_than, timed, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS = [Row("write", 9.5e6, "readings/s", ">= 8e6", Peer("bare", 1.9e7, 0.5)), Row("size", 4.7, "bytes")]


def some_rows(*, quick: bool) -> Iterator[Row]:
    yield from ROWS[: 1 if quick else 2]


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [
        (">= 8e6", 8e6, True),
        (">= 8e6", 7.9e6, False),
        ("<= 5", 5, True),
        ("< 5", 5, False),
        ("> 0", 1, True),
        ("", 1, None),
    ],
)
def test_a_goal_is_judged(goal: str, value: float, met: bool | None) -> None:
    assert Row("x", value, "s", goal).met is met


def test_rows_survive_json() -> None:
    assert from_json(to_json(ROWS)) == ROWS


def test_json_is_one_list_of_the_agreed_keys(capsys: pytest.CaptureFixture[str]) -> None:
    main(some_rows, ["--quick", "--json"])
    assert json.loads(capsys.readouterr().out) == [
        {
            "name": "write",
            "value": 9.5e6,
            "unit": "readings/s",
            "goal": ">= 8e6",
            "peer": {"name": "bare", "value": 1.9e7, "ratio": 0.5},
        }
    ]


def test_people_see_what_was_missed(capsys: pytest.CaptureFixture[str]) -> None:
    main(some_rows, [])
    assert "met" in capsys.readouterr().out
    assert "MISSED" in line(Row("x", 9, "s", "<= 5"))


def test_a_ratio_above_one_is_better() -> None:
    assert faster_than("peer", theirs_s=4, ours_s=2).ratio == 2
    assert more_than("peer", theirs=4, ours=2).ratio == 0.5


def test_preparation_comes_before_each_run() -> None:
    steps: list[str] = []
    timing = timed(lambda: steps.append("work"), runs=2, prepare=lambda: steps.append("prepare"))
    assert steps == ["prepare", "work"] * 2
    assert len(timing.wall) == len(timing.cpu) == 2


def test_timing_takes_the_best_and_the_middle() -> None:
    timing = Timing(wall=(3.0, 1.0, 2.0), cpu=(0.5, 0.4, 0.6))
    assert (timing.best_s, timing.median_s, timing.cpu_s) == (1.0, 2.0, 0.4)


def test_the_page_changes_between_its_markers_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{runner.BEGIN}\nold\n{runner.END}\nafter\n", encoding="utf-8")
    runner.rewrite(page, runner.table({"store": ROWS}))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| store | write | 9,500,000 readings/s | >= 8e6 | met | bare: 19,000,000 (×0.50) |" in text


def test_some_benchmarks_change_their_own_rows_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{runner.BEGIN}\n{runner.table({'grid': ROWS, 'store': ROWS})}\n{runner.END}", encoding="utf-8")
    before = page.read_text(encoding="utf-8").splitlines()
    runner.rewrite(page, runner.replaced(page, {"store": [Row("write", 1.0, "readings/s")], "vee": ROWS[:1]}))
    after = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in after if line.startswith("| grid")] == [
        line for line in before if line.startswith("| grid")
    ]
    assert [line for line in after if line.startswith("| store")] == ["| store | write | 1 readings/s |  |  |  |"]
    assert after[-2].startswith("| vee | write")


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no markers", encoding="utf-8")
    with pytest.raises(SystemExit, match="markers"):
        runner.rewrite(page, "table")
    assert page.read_text(encoding="utf-8") == "no markers"


def test_the_machinery_is_no_benchmark() -> None:
    assert runner.NOT_BENCHMARKS.isdisjoint(runner.names())
    assert runner.PAGE.exists()
