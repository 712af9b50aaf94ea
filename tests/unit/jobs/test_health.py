"""The doctor's checks: what is healthy, what is not, and that no password is shown."""

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from sqlalchemy import text

from gridwright.app import ask_server as asking
from gridwright.app.ask_server import ask_server
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.edge import EdgeReport, EdgeStream
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.job import Job
from gridwright.domain.panel import Panel
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.readings import Readings
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep import check_archive
from gridwright.jobs.upkeep.archive_months import archive_months
from gridwright.jobs.upkeep.back_up import back_up, file_name
from gridwright.jobs.upkeep.check_health import (
    SILENT,
    ServerAnswer,
    Surroundings,
    check_audit,
    check_clock,
    check_database,
    check_database_clock,
    check_disk,
    check_health,
    shown,
)
from gridwright.jobs.upkeep.health import Check, State, ago
from gridwright.jobs.upkeep.look_after_keys import seal_store
from gridwright.jobs.upkeep.vault import Vault
from gridwright.settings import ServerSettings
from gridwright.store import Store, open_store

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "grid.db")


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    with open_store(url, master=Vault(tmp_path / "secret.key")) as opened:
        yield opened


def look(url: str, **around: object) -> dict[str, Check]:
    return {check.name: check for check in check_health(url, Surroundings(NOW, **around))}  # type: ignore[arg-type]


def test_nothing_there_is_no_fault_and_is_not_made(tmp_path: Path) -> None:
    url = str(tmp_path / "none.db")
    checks = look(url, vault=Vault(tmp_path / "secret.key"))
    assert all(check.ok for check in checks.values())
    assert checks["backup"].state is State.WARN
    assert list(tmp_path.iterdir()) == []


def test_a_healthy_database_is_counted(url: str) -> None:
    open_store(url).close()
    assert check_database(url).found.endswith("0 usage points")
    assert check_audit(url).ok


def test_a_broken_database_is_told_with_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "grid.db"
    path.write_bytes(b"this is no database at all" * 100)
    check = check_database(str(path))
    assert not check.ok
    assert check.remedy
    assert "corrections" not in look(str(path))


def test_an_unreachable_server_is_told() -> None:
    check = check_database("postgresql+psycopg://ann:secret@127.0.0.1:1/grid")
    assert not check.ok
    assert "secret" not in check.found + check.remedy


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql+psycopg://ann:secret@db/grid", "postgresql+psycopg://ann@db/grid"),
        ("gridwright.db", "gridwright.db"),
        ("sqlite:///a.db", "sqlite:///a.db"),
    ],
)
def test_passwords_are_not_shown(url: str, text: str) -> None:
    assert shown(url) == text


def test_the_disk_of_the_database_is_looked_at(tmp_path: Path) -> None:
    assert "GB free" in check_disk(f"sqlite:///{tmp_path}/deep/grid.db").found


def test_when_the_disk_is_full(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = Panel(("UP-1",), NOW, timedelta(minutes=15), np.ones((1, 960)))
    store.readings.save(ME, panel, known_at=NOW, register=True)
    assert look(url)["time to full"].state is State.OK
    for days, state in ((20, State.WARN), (3, State.FAIL)):
        a_day = Path(url).stat().st_size / 10.5
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=a_day * days: type("Usage", (), {"free": free}))
        assert look(url)["time to full"].state is state


def test_what_waits(store: Store, url: str) -> None:
    before = look(url)
    assert {before[name].state for name in ("corrections", "bills to rate again", "quarantine", "ordered jobs")} == {
        State.OK
    }
    store.registry.save_points(ME, [UsagePoint("UP-1")])
    store.quarantine.save(ME, [QuarantinedReading("X1", NOW, 1.0)], received=NOW)
    store.jobs.add(ME, Job("J-1", "bill-run", "local", NOW - 2 * HOUR))
    with store._engine.begin() as connection:
        known = int((NOW - 30 * HOUR).timestamp()) * 1_000_000
        connection.execute(text(f"INSERT INTO rerate VALUES (1, 1, 0, 900, 'c', {known})"))
    after = look(url)
    assert after["quarantine"].state is State.WARN
    assert "1 readings of 1 unknown" in after["quarantine"].found
    assert after["ordered jobs"].state is State.WARN
    assert "the oldest for 2 h" in after["ordered jobs"].found
    assert after["bills to rate again"].state is State.FAIL


def test_what_waits_in_the_journal_is_counted_and_left_there(store: Store, url: str) -> None:
    store.registry.save_points(ME, [UsagePoint("UP-1")])
    whole, byte = np.ones(1, np.int64), np.full(1, 0x11, np.uint8)
    came = Readings(("UP-1",), np.zeros(1, np.int32), whole * 1_735_689_600, np.ones(1), byte, whole, 900)
    with store.transaction(settled=False):
        accepted = store.journal.accept(ME, came)
        assert accepted is not None
        store.journal.put([accepted], received=NOW - HOUR)
    checks = look(url)
    assert (checks["journal"].found, checks["journal"].state) == ("1 readings wait, the oldest for 1 h", State.WARN)
    assert checks["corrections"].found.startswith("0 ranges")
    assert store.journal.waiting(ME).rows == 1


def test_edges(store: Store, url: str) -> None:
    assert look(url)["edges"].found == "none"
    for name, silent, report in (
        ("near", timedelta(0), EdgeReport()),
        ("slow", HOUR, EdgeReport(timedelta(minutes=-2), waiting=7)),
        ("gone", 50 * HOUR, EdgeReport(dropped=3)),
        ("held", timedelta(0), EdgeReport(waiting=7, oldest=NOW - 3 * HOUR)),
    ):
        store.edges.advance(
            ME, EdgeStream(name, "e", "local", NOW - 60 * HOUR, NOW - silent, 5, report=report), after=0
        )
    checks = look(url)
    found = [checks[f"edge {name}"].state for name in ("near", "slow", "gone", "held")]
    assert found == [State.OK, State.WARN, State.FAIL, State.WARN]
    assert "the oldest had waited for 3 h then" in checks["edge held"].found
    assert "its clock is 2 min behind" in checks["edge slow"].found
    assert "7 batches" in checks["edge slow"].found
    assert "3 were lost" in checks["edge gone"].found


def test_backups(store: Store, url: str, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    assert look(url, backups=folder)["backup"].state is State.FAIL
    for age, state in ((timedelta(days=9), State.FAIL), (30 * HOUR, State.WARN), (HOUR, State.OK)):
        back_up(ME, url, folder / file_name(NOW - age), vault=None, now=NOW - age)
        assert look(url, backups=folder)["backup"].state is state
    (folder / "bad.gwb").write_bytes(b"")
    assert "1 cannot be read" in look(url, backups=folder)["backup"].found


@pytest.fixture
def archived(store: Store, tmp_path: Path) -> Path:
    """An archive of January, February and March; January is no longer in the database."""
    for month in range(1, 5):
        panel = Panel(("UP-1",), datetime(2025, month, 2, tzinfo=UTC), HOUR, np.ones((1, 24)))
        store.readings.save(ME, panel, known_at=NOW, register=True)
    store.dirty.clear(ME, store.dirty.ranges(ME))
    place = tmp_path / "archive"
    archive_months(store, ME, str(place), before=2025 * 12 + 3, drop_before=2025 * 12 + 1)
    return place


def test_files_of_the_archive_that_are_gone(archived: Path, url: str) -> None:
    found = look(url)["archive files"]
    assert (found.state, found.found) == (State.OK, f"3 registered in {archived}, all there")
    (march,) = (archived / "readings" / "2025-03").iterdir()
    march.unlink()
    found = look(url)["archive files"]
    assert (found.state, "archive run writes them anew" in found.remedy) == (State.WARN, True)
    (january,) = (archived / "readings" / "2025-01").iterdir()
    january.unlink()
    found = look(url)["archive files"]
    assert (found.state, "from a copy" in found.remedy) == (State.FAIL, True)
    assert "2 files, of 2025-01 (1), 2025-03 (1); 1 of them are not in the database either" in found.found
    archived.rename(archived.parent / "elsewhere")
    found = look(url)["archive files"]
    assert (found.state, "gridwright archive move --to" in found.remedy) == (State.FAIL, True)
    assert f"not in {archived}: 3 files" in found.found


def test_an_archive_that_does_not_answer(
    archived: Path, store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "s3://months/town"
    with store._engine.begin() as connection:
        sql = "UPDATE archive_part SET place = :place || substr(place, :length)"
        connection.execute(text(sql), {"place": place, "length": len(str(archived)) + 1})
    monkeypatch.setattr(check_archive, "PATIENCE_S", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes a call, and says nothing
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        found = look(url)["archive files"]
    assert (found.state, found.found) == (State.FAIL, f"{place}: the storage does not answer within 3 s")
    monkeypatch.setattr(check_archive, "PATIENCE_S", 60.0)
    with store._engine.begin() as connection:
        connection.execute(text("UPDATE archive_part SET place = 'gopher://x' || substr(place, 17)"))
    assert "is no place that can be written to" in look(url)["archive files"].found


def test_archive_and_key(store: Store, url: str, tmp_path: Path) -> None:
    vault = Vault(tmp_path / "secret.key")
    assert look(url, vault=vault)["key file"].found == "none; nothing is sealed"
    start = datetime(2025, 1, 1, tzinfo=UTC)
    panel = Panel(("UP-1",), start, HOUR, np.ones((1, 24)))
    store.registry.save_points(ME, [UsagePoint("UP-1", attributes={"name": "Anna"})])
    store.readings.save(ME, panel, known_at=NOW)
    store.dirty.clear(ME, store.dirty.ranges(ME))
    seal_store(store, ME)
    archive_months(store, ME, str(tmp_path / "archive"), before=2025 * 12 + 3, drop_before=2025 * 12 + 3)
    checks = look(url, vault=vault)
    assert (checks["archive"].state, checks["archive"].found) == (State.OK, "1 series-months, 1 only there")
    assert "1 usage points sealed, 0 not" in checks["key file"].found
    assert checks["sealed data"].state is State.WARN
    assert "vault seal" in checks["sealed data"].remedy
    with store._engine.begin() as connection:
        connection.execute(text("UPDATE archive_part SET state = 'dropping'"))
        connection.execute(text("UPDATE data_key SET master = 'another'"))
    checks = look(url, vault=vault)
    assert checks["archive"].state is State.WARN
    assert checks["key file"].state is State.FAIL
    vault.path.chmod(0o644)
    assert "chmod 600" in look(url, vault=Vault(vault.path))["key file"].remedy


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (None, State.OK, "none runs"),
        (ServerAnswer("http://x", 401), State.OK, "GRIDWRIGHT_KEY"),
        (ServerAnswer("http://x", 500), State.FAIL, "HTTP 500"),
        (ServerAnswer("http://x", SILENT), State.FAIL, "does not answer in time"),
        (ServerAnswer("http://x", 200, {"lag_s": 3, "writer": {"waiting": 2}}), State.OK, "lag_s 3, waiting 2"),
        (ServerAnswer("http://x", 200, {"writer": {"lag_s": 9.0}}), State.WARN, "lag_s 9"),
        (ServerAnswer("http://x", 200, ahead=timedelta(seconds=5)), State.WARN, "5 s ahead of ours"),
        (ServerAnswer("http://x", 200, ahead=timedelta(seconds=-90)), State.FAIL, "1.5 min behind"),
    ],
)
def test_a_running_server(url: str, answer: ServerAnswer | None, state: State, words: str) -> None:
    (check,) = (
        check for name, check in look(url, servers=[answer] if answer else []).items() if name.startswith("server")
    )
    assert (check.state, words in check.found) == (state, True)


class Answers(BaseHTTPRequestHandler):
    """Says how it is to whoever has the key."""

    def do_GET(self) -> None:
        """Answer."""
        known = self.headers.get("Authorization") == "Bearer k"
        body = json.dumps({"jobs_waiting": 4}).encode() if known and self.path == "/v1/status" else b"no"
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_the_server_is_asked() -> None:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    settings = ServerSettings(host="0.0.0.0", port=server.server_port)  # noqa: S104 - what the settings say
    try:
        known = ask_server(settings, "k", datetime.now(UTC))
        stranger = ask_server(settings, None, datetime.now(UTC))
    finally:
        server.shutdown()
        server.server_close()
    assert known is not None
    assert stranger is not None
    assert (known.status, known.figures, stranger.status) == (200, {"jobs_waiting": 4}, 401)
    assert known.ahead is not None
    assert abs(known.ahead) < timedelta(seconds=5)
    assert ask_server(settings, "k", NOW) is None


def test_a_server_that_is_too_busy_to_answer_is_no_server_that_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as busy:  # takes a call, and says nothing
        answer = ask_server(ServerSettings(port=busy.getsockname()[1]), "k", NOW)
    assert answer is not None
    assert answer.status == SILENT


@pytest.mark.parametrize(
    ("ahead_s", "state", "words"),
    [(-20, State.WARN, "20 s behind"), (0, State.OK, "0 s"), (50, State.OK, "0 s"), (105, State.WARN, "5 s ahead")],
)
def test_the_time_that_asking_takes_is_no_error_of_the_databases_clock(ahead_s: int, state: State, words: str) -> None:
    ours = iter([NOW, NOW + timedelta(seconds=100)])
    there = SimpleNamespace(clock=lambda _: NOW + timedelta(seconds=ahead_s))
    (check,) = check_database_clock(cast("Store", SimpleNamespace(backlogs=there)), lambda: next(ours))
    assert (check.state, words in check.found) == (state, True)


def test_the_clock_is_asked() -> None:
    assert check_clock().ok


@pytest.mark.parametrize(("seconds", "words"), [(0.25, "0.25 s"), (90, "1.5 min"), (7200, "2 h"), (864_000, "10 d")])
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert ago(timedelta(seconds=seconds)) == words


def test_usage_points_that_cannot_be_judged_are_named(store: Store, url: str) -> None:
    """They have no final readings, so no totals and no bills: that must be mended."""
    assert look(url)["judging"].state is State.OK
    names = [f"UP-{number}" for number in range(7)]
    store.registry.save_points(ME, [UsagePoint(name) for name in names])
    day = Interval(NOW - timedelta(days=1), NOW)
    known = [Finding("V00_unjudged", name, day, Severity.FAIL, "two grids") for name in names]
    store.findings.save(ME, known, known_at=NOW)
    check = look(url)["judging"]
    assert check.state is State.FAIL
    assert "7 usage points cannot be judged" in check.found
    assert check.found.endswith("UP-0, UP-1, UP-2, UP-3, UP-4 and 2 more")
    assert "finding list" in check.remedy
    store.findings.save(ME, [], known_at=NOW, points=names, period=day)
    assert look(url)["judging"].state is State.OK
