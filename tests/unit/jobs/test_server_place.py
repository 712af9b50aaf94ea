"""Where servers listen, as they leave it in the data folder: while they run, and never longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from http.server import HTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.app.ask_server import ask_servers
from gridwright.jobs.upkeep.check_health import Surroundings, check_servers
from gridwright.jobs.upkeep.health import State
from gridwright.jobs.upkeep.server_place import ServerPlace, left_place, read_places
from gridwright.settings import ServerSettings
from tests.unit.jobs.test_health import Answers

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KILLED = """
import sys
from pathlib import Path
from gridwright.jobs.upkeep.server_place import ServerPlace, left_place
with left_place(Path(sys.argv[1]), ServerPlace("127.0.0.1", int(sys.argv[2]))):
    print("up", flush=True)
    sys.stdin.read()
"""


def killed(folder: Path, port: int) -> None:
    """Let a server leave its place, and end it as a power cut would."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert [(each.port, each.runs) for each in read_places(folder)] == [(port, True)]
        process.send_signal(signal.SIGKILL)


def test_it_is_there_while_a_server_runs(tmp_path: Path) -> None:
    with left_place(tmp_path, ServerPlace("0.0.0.0", 9000, "/c.pem")) as left:  # noqa: S104 - as a server is told
        assert left
        assert read_places(tmp_path) == [ServerPlace("0.0.0.0", 9000, "/c.pem", os.getpid(), runs=True)]  # noqa: S104
        with left_place(tmp_path, ServerPlace("127.0.0.1", 9001)):
            assert [each.port for each in read_places(tmp_path)] == [9000, 9001]
    assert list(tmp_path.iterdir()) == []


def test_killed_it_is_told_as_gone_until_another_starts(tmp_path: Path) -> None:
    killed(tmp_path, 9000)
    (place,) = read_places(tmp_path)
    assert not place.runs
    answers, ended = ask_servers(ServerSettings(port=0), [place], None, NOW)
    assert (answers, ended) == ([], ["http://127.0.0.1:9000"])
    (check,) = check_servers(Surroundings(NOW, ended=ended))
    assert (check.state, "127.0.0.1:9000" in check.found, "gridwright serve" in check.remedy) == (
        State.WARN,
        True,
        True,
    )
    with left_place(tmp_path, ServerPlace("127.0.0.1", 9001)):
        assert [(each.port, each.runs) for each in read_places(tmp_path)] == [(9001, True)]


def test_a_folder_that_takes_nothing_and_a_file_that_is_broken_stop_nobody(tmp_path: Path) -> None:
    with left_place(tmp_path / "none", ServerPlace("127.0.0.1", 9000)) as left:
        assert not left
    for content in (b"", b"{", b"[]", b'{"host": 1}', b"\xff"):
        (tmp_path / "server-9.json").write_bytes(content)
        assert read_places(tmp_path) == []
    with left_place(tmp_path, ServerPlace("127.0.0.1", 9)) as left:
        assert left
        with left_place(tmp_path, ServerPlace("127.0.0.1", 9)) as second:
            assert not second, "the first one's stays"
        assert [each.runs for each in read_places(tmp_path)] == [True]


@given(st.sets(st.integers(1, 65_535), max_size=6))
@settings(max_examples=25, deadline=None)
def test_whoever_runs_is_found_and_nobody_else(ports: set[int]) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as name:
        folder = Path(name)
        with ExitStack() as running:
            for port in ports:
                running.enter_context(left_place(folder, ServerPlace("127.0.0.1", port)))
            assert [each.port for each in read_places(folder) if each.runs] == sorted(ports)
        assert read_places(folder) == []


@pytest.mark.parametrize("port", [0, 1])
def test_a_server_on_another_port_than_the_settings_is_asked(port: int) -> None:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    here = ServerPlace("0.0.0.0", server.server_port, runs=True)  # noqa: S104 - as a server is told
    try:
        (answer,), ended = ask_servers(
            ServerSettings(port=port), [here, ServerPlace("127.0.0.1", 9)], "k", datetime.now(UTC)
        )
    finally:
        server.shutdown()
        server.server_close()
    assert (answer.address, answer.status) == (f"http://127.0.0.1:{here.port}", 200)
    assert ended == ["http://127.0.0.1:9"]
    (check,) = check_servers(Surroundings(NOW, servers=[answer], ended=ended))
    assert (check.state, check.found.startswith(answer.address)) == (State.OK, True)
