"""A watched folder: each file is taken once it rests, ends in one of two places, and none is lost or taken twice."""

from __future__ import annotations

import os
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import Conflict, GridwrightError, NotFound, StoreFull, UnreadableFile
from gridwright.domain.verdict import Intake, Reject
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files.file_names import LONGEST_NAME, safe_name, shown
from gridwright.jobs.files.ingest_file import Imported, ingest_file
from gridwright.jobs.files.watch_folder import DONE, FAILED, TAKING, Handled, Outcome, Watch
from gridwright.store import open_store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = "usage_point,start,kwh\nUP-1,2025-01-01T00:00:00Z,1\nUP-1,2025-01-01T00:15:00Z,1\n"


@dataclass
class Bench:
    """A folder with a clock that only sleeping moves, and an import that remembers what it was given."""

    folder: Path
    contents: Counter[str] = field(default_factory=Counter)
    now: float = 0.0
    trouble: Callable[[Path], GridwrightError | None] = lambda _: None
    during: Callable[[], object] = lambda: None
    naps: list[Callable[[], object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.watch = Watch(self.folder, self.take, self.sleep, lambda: self.now, settle_s=2.0)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.naps:
            self.naps.pop(0)()

    def take(self, path: Path, rejects: Path) -> Imported:
        text = path.read_text()
        self.during()
        error = self.trouble(path)
        if error is not None:
            raise error
        self.contents[text] += 1
        bad = text.count("bad")
        if bad:
            rejects.write_text("line,reason\n1,bad\n")
        listed = tuple([Reject(1, "a bad reading", "correct it")] * bad)
        intake = Intake(path.name, "csv", bad + text.count("good"), text.count("good"), listed, bad)
        return Imported(intake, rejects_file=rejects if bad else None)

    def put(self, name: str, text: str = "good") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def once(self) -> list[Handled]:
        return list(self.watch.run(once=True))

    def names(self, place: str) -> list[str]:
        return sorted(path.name for path in (self.folder / place).iterdir())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "inbox")


def test_good_files_go_to_done_and_bad_ones_to_failed_with_the_reason(bench: Bench) -> None:
    bench.put("one.csv")
    bench.put("two.csv", "good bad")
    bench.put("three.csv", "bad")
    bench.put("four.csv", "odd")
    bench.trouble = lambda path: UnreadableFile("no table", remedy="look") if path.name == "four.csv" else None
    handled = {one.name: one for one in bench.once()}
    assert bench.names(DONE) == ["one.csv", "two.csv", "two.csv.rejects.csv"]
    assert bench.names(FAILED) == [
        "four.csv",
        "four.csv.reason.txt",
        "three.csv",
        "three.csv.reason.txt",
        "three.csv.rejects.csv",
    ]
    assert (bench.folder / FAILED / "four.csv.reason.txt").read_text() == "no table\nwhat helps: look\n"
    bench.put("five.csv")
    bench.trouble = lambda path: UnreadableFile("no row", where=f"{path} line 1", remedy="look")
    (refused,) = bench.once()
    there = bench.folder / FAILED / "five.csv"
    assert there.with_name("five.csv.reason.txt").read_text() == f"no row\nwhere: {there} line 1\nwhat helps: look\n"
    assert refused.error is not None
    assert (refused.error.where, there.exists()) == (f"{there} line 1", True)
    assert "none of 1 records could be taken: a bad reading" in str(handled["three.csv"].error)
    assert handled["three.csv"].imported is not None
    assert handled["three.csv"].imported.rejects_file == bench.folder / FAILED / "three.csv.rejects.csv"
    assert [handled[name].outcome for name in ("one.csv", "two.csv")] == [Outcome.DONE, Outcome.DONE]
    assert bench.once() == []


def test_a_file_is_taken_only_when_it_rests(bench: Bench) -> None:
    path = bench.put("growing.csv", "go")
    bench.naps = [lambda: path.write_text("good"), lambda: path.write_text("good good"), lambda: None]
    (handled,) = bench.once()
    assert handled.outcome is Outcome.DONE
    assert dict(bench.contents) == {"good good": 1}
    assert bench.now >= 3 * bench.watch.settle_s


def test_a_file_that_never_rests_is_left_where_it_is(bench: Bench) -> None:
    path = bench.put("endless.csv")
    bench.naps = [lambda at=at: path.write_text("x" * at) for at in range(2, 200)]  # type: ignore[misc]
    (handled,) = bench.once()
    assert handled.outcome is Outcome.KEPT
    assert path.exists()
    assert not bench.contents


def test_an_empty_file_waits_longer_and_then_is_told(bench: Bench) -> None:
    path = bench.put("late.csv", "")
    bench.naps = [lambda: None, lambda: None, lambda: path.write_text("good")]
    assert [one.outcome for one in bench.once()] == [Outcome.DONE]
    assert dict(bench.contents) == {"good": 1}


def test_names_that_are_not_finished_or_hidden_are_left_alone(bench: Bench) -> None:
    left = [".hidden.csv", "a.csv.part", "b.tmp", "C.CRDOWNLOAD", "d.csv~", "e.csv.rejects.csv"]
    for name in left:
        bench.put(name)
    assert bench.once() == []
    assert all((bench.folder / name).exists() for name in left)


def test_a_folder_within_it_is_said_once_and_left_alone(bench: Bench) -> None:
    (bench.folder / "older").mkdir()
    (bench.folder / "older" / "a.csv").write_text("good")
    bench.put("b.csv")
    passed, done = bench.once()
    assert (passed.name, passed.outcome, done.outcome) == ("older", Outcome.PASSED, Outcome.DONE)
    assert "watch it by itself" in str(passed.error)
    assert bench.once() == []
    assert (bench.folder / "older" / "a.csv").read_text() == "good"


def test_links_and_pipes_are_answered_and_not_followed(bench: Bench, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("good")
    (bench.folder / "link.csv").symlink_to(secret)
    (bench.folder / "lost.csv").symlink_to(tmp_path / "nowhere")
    os.mkfifo(bench.folder / "pipe")
    told = {one.name: str(one.error) for one in bench.once()}
    assert "links are not followed" in told["link.csv"]
    assert "links are not followed" in told["lost.csv"]
    assert "a pipe, a socket or a device" in told["pipe"]
    assert not bench.contents
    assert secret.read_text() == "good"


def test_the_same_name_again_replaces_nothing(bench: Bench) -> None:
    for text in ("good", "good bad", "bad", "good good"):
        bench.put("day.csv", text)
        bench.once()
    kept = [path for place in (DONE, FAILED) for path in (bench.folder / place).glob("day*.csv")]
    texts = sorted(path.read_text() for path in kept if not path.name.endswith("rejects.csv"))
    assert texts == ["bad", "good", "good bad", "good good"]
    assert len(list((bench.folder / DONE).glob("*.rejects.csv"))) == 1


@pytest.mark.parametrize(
    "name",
    ["line\nbreak.csv", "bidi\u202e.csv", b"latin\xff.csv".decode("utf-8", "surrogateescape"), "ü" * 120 + ".csv"],
)
def test_hostile_names_become_safe_and_are_shown(bench: Bench, name: str) -> None:
    bench.put(name)
    (handled,) = bench.once()
    assert handled.outcome is Outcome.DONE
    assert handled.path.name == safe_name(name)
    assert handled.path.name.isprintable()
    assert len(handled.path.name.encode()) <= LONGEST_NAME
    assert handled.path.name.endswith(".csv")
    assert handled.name == shown(name)
    assert handled.name.isprintable()


def test_trouble_with_the_store_keeps_the_file_and_the_others_go_on(bench: Bench) -> None:
    bench.put("first.csv", "good one")
    bench.put("second.csv", "good two")
    bench.trouble = lambda path: StoreFull("no room", remedy="make room") if path.name == "first.csv" else None
    outcomes = {one.name: one.outcome for one in bench.once()}
    assert outcomes == {"first.csv": Outcome.KEPT, "second.csv": Outcome.DONE}
    assert bench.names(TAKING) == ["first.csv"]
    bench.trouble = lambda _: None
    again = Bench.__new__(Bench)
    again.__dict__.update(bench.__dict__)
    again.watch = Watch(bench.folder, bench.take, bench.sleep, lambda: bench.now)
    assert [(one.name, one.outcome) for one in again.once()] == [("first.csv", Outcome.DONE)]
    assert dict(bench.contents) == {"good one": 1, "good two": 1}


def test_a_file_that_changes_while_it_is_read_is_read_again(bench: Bench) -> None:
    bench.put("log.csv", "good")
    claimed = bench.folder / TAKING / "log.csv"
    changes = [lambda: claimed.write_text("good good")]
    bench.during = lambda: changes.pop()() if changes else None
    assert [one.outcome for one in bench.once()] == [Outcome.DONE]
    assert dict(bench.contents) == {"good": 1, "good good": 1}
    assert (bench.folder / DONE / "log.csv").read_text() == "good good"


def test_a_second_watch_and_a_folder_that_is_none_are_refused(bench: Bench, tmp_path: Path) -> None:
    bench.put("one.csv")
    first = bench.watch.run()
    next(first)
    with pytest.raises(Conflict, match="another process"):
        bench.once()
    first.close()
    assert bench.once() == []
    with pytest.raises(NotFound, match="no such folder"):
        list(Watch(tmp_path / "none", bench.take, bench.sleep, lambda: 0.0).run(once=True))


def test_a_watch_goes_on_after_bad_files(bench: Bench) -> None:
    bench.put("a.csv", "bad")
    bench.naps = [lambda: None, lambda: bench.put("b.csv")]
    watching = bench.watch.run()
    assert [next(watching).outcome for _ in range(2)] == [Outcome.FAILED, Outcome.DONE]
    watching.close()


def test_what_was_put_aside_long_ago_goes_where_that_is_set(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.put("a.csv")
    bench.once()
    (bench.folder / FAILED / "link").symlink_to(bench.folder / DONE / "a.csv")
    now = time.time()
    monkeypatch.setattr("gridwright.jobs.files.watch_folder.time.time", lambda: now + 8 * 86_400)
    bench.once()
    assert (bench.folder / DONE / "a.csv").exists()
    bench.watch.keep_days = 7.0
    bench.put("b.csv", "good good")
    os.utime(bench.put("waits.part"), (0, 0))
    bench.once()
    assert [path.name for path in (bench.folder / DONE).iterdir()] == ["b.csv"]
    assert (bench.folder / "waits.part").exists()
    assert (bench.folder / FAILED / "link").is_symlink()


def test_what_was_left_out_of_an_archive_is_told_beside_it(tmp_path: Path) -> None:
    """One member of two was read: the file is done, and nothing of the other is in the store."""
    with open_store("sqlite://") as store:
        folder = tmp_path / "inbox"
        folder.mkdir()
        with zipfile.ZipFile(folder / "two.zip", "w") as archive:
            archive.writestr("good.csv", ROWS)
            archive.writestr("bad.csv", "what is this?\n")

        def take(path: Path, rejects: Path) -> Imported:
            return ingest_file(store, LOCAL_OWNER, path, ReadOptions(), known_at=NOW, rejects_to=rejects)

        now = iter(range(1_000_000))
        watch = Watch(folder, take, lambda _: None, lambda: float(next(now)), settle_s=2.0)
        (handled,) = watch.run(once=True)
    assert handled.outcome is Outcome.DONE
    told = (folder / DONE / "two.zip.reason.txt").read_text()
    assert told.startswith("left out: ")
    assert "bad.csv" in told
