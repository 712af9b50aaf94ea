"""`gridwright edge`: what is wrong with a call is told before anything starts, and what is drained is told after."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gridwright.cli.edge import app, place_of
from gridwright.domain.errors import ConfigError, GridwrightError, NotFound, StoreLocked, UsageError
from gridwright.edge.buffer import Buffer
from gridwright.edge.run import run
from gridwright.settings import EdgeSettings, Settings

NOWHERE = "http://127.0.0.1:9"


def failure(*words: str, env: dict[str, str] | None = None) -> BaseException | None:
    return CliRunner(env=env).invoke(app, words).exception


def test_an_edge_needs_a_centre_a_key_and_a_place(tmp_path: Path) -> None:
    folder = ("--folder", str(tmp_path / "edge"))
    Buffer(tmp_path / "edge").close()
    assert isinstance(failure("drain", *folder, "--to", NOWHERE), UsageError)
    assert isinstance(failure("drain", *folder, "--key", "k"), ConfigError)
    assert isinstance(failure("run", *folder, "--key", "k", "--to", "nowhere"), ConfigError)
    assert isinstance(failure("run", *folder, "--key", "k", "--to", NOWHERE, "--listen", "8090"), UsageError)
    open_to_all = failure("run", *folder, "--key", "k", "--to", NOWHERE, "--listen", "0.0.0.0:0")
    assert isinstance(open_to_all, ConfigError)
    assert "anybody" in open_to_all.message
    (tmp_path / "file").touch()
    assert isinstance(failure("drain", "--folder", str(tmp_path / "file"), "--to", NOWHERE, "--key", "k"), ConfigError)


def test_the_key_may_stand_in_a_file(tmp_path: Path) -> None:
    env = {"GRIDWRIGHT_EDGE__KEY_FILE": str(tmp_path / "absent")}
    error = failure("drain", "--to", NOWHERE, env=env)
    assert isinstance(error, ConfigError)
    assert error.where == str(tmp_path / "absent")
    assert isinstance(error, GridwrightError)


@pytest.mark.parametrize("text", ["8090", ":8090", "host:", "host:port", "host:70000"])
def test_a_place_is_host_and_port(text: str) -> None:
    with pytest.raises(UsageError, match="is not HOST:PORT"):
        place_of(text)
    assert place_of("[::1]:80") == {"host": "::1", "port": 80}


def test_a_folder_without_an_edge_is_refused_and_nothing_is_made_there(tmp_path: Path) -> None:
    mistyped, other = tmp_path / "bufer", tmp_path / "photos"
    other.mkdir()
    (other / "one.jpg").touch()
    for folder in (mistyped, other):
        for words in (["drain", "--to", NOWHERE, "--key", "k"], ["rotate"], ["rejected"], ["status"]):
            error = failure(*words, "--folder", str(folder))
            assert isinstance(error, NotFound), words
            assert (error.message, error.where) == ("no edge has run on this folder", str(folder))
    assert [path.name for path in tmp_path.rglob("*")] == ["photos", "one.jpg"]


def test_what_waits_is_found_though_status_and_mark_are_lost(tmp_path: Path) -> None:
    with Buffer(tmp_path) as buffer:
        buffer.append([b"one"])
    (tmp_path / "mark.json").unlink()
    words = ["drain", "--folder", str(tmp_path), "--to", NOWHERE, "--key", "k", "--within", "0.01", "--json"]
    found = CliRunner().invoke(app, words)
    assert (found.exit_code, json.loads(found.stdout)["waiting"]) == (1, 1)


def test_drain_tells_what_still_waits_and_status_what_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "edge"
    assert isinstance(failure("status", "--folder", str(folder)), NotFound)
    words = ["--folder", str(folder), "--to", NOWHERE, "--key", "k", "--within", "0.01", "--json"]
    Buffer(folder).close()
    empty = CliRunner().invoke(app, ["drain", *words])
    assert (empty.exit_code, json.loads(empty.stdout)) == (0, {"waiting": 0, "rejected": 0, "problem": ""})
    with Buffer(folder) as buffer:
        buffer.append([b"one"])
        assert isinstance(failure("drain", *words), StoreLocked)
    some = CliRunner().invoke(app, ["drain", *words])
    told = json.loads(some.stdout)
    assert (some.exit_code, told["waiting"]) == (1, 1)
    assert told["problem"].startswith("ConnectionRefusedError")
    shown = json.loads(CliRunner().invoke(app, ["status", "--folder", str(folder), "--json"]).stdout)
    assert (shown["running"], shown["waiting"], shown["to"]) == (False, 1, NOWHERE)
    assert "problem" in CliRunner().invoke(app, ["status", "--folder", str(folder)]).stdout


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_a_port_in_use_is_told_with_an_option_that_there_is(host: str, shown: str, tmp_path: Path) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as taken:
        port = taken.getsockname()[1]
        chosen = EdgeSettings(to="http://127.0.0.1:1", folder=tmp_path / "edge", host=host, port=port)
        with pytest.raises(GridwrightError, match=f"port {port} is in use") as caught:
            run(Settings(edge=chosen), "key")
    assert f"is free: --listen {shown}:" in caught.value.remedy
    assert "--port" not in caught.value.remedy
