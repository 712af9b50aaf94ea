"""Two edges of one configuration, as processes: both are told, at both ends, and nothing is lost or doubled."""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.edge.status import read_status
from gridwright.jobs.upkeep.check_waiting import check_edges
from gridwright.jobs.upkeep.health import State
from gridwright.store import open_store
from tests.integration.patience import await_progress
from tests.integration.server_process import Server, launch, start

SINCE = datetime(2026, 1, 5, tzinfo=UTC)
EACH = 40  # readings of each edge, one a request
POINTS = ("UP-0", "UP-1")


def copied(folder: Path, number: int, centre: Server) -> Server:
    """Start an edge of the configuration that all share, on a folder of its own."""
    command = [sys.executable, "-m", "gridwright", "edge", "run", "--to", centre.url, "--name", "copied"]
    command += ["--folder", str(folder / f"edge-{number}"), "--listen", "127.0.0.1:0", "--json"]
    env = {"GRIDWRIGHT_KEY": centre.admin_key, "GRIDWRIGHT_EDGE__HEARTBEAT_S": "0.5", "GRIDWRIGHT_EDGE__RETRY_S": "1"}
    return launch(command, folder, env=env)


def take(edge: Server, point: str) -> None:
    with httpx.Client(base_url=edge.url) as client:
        for slot in range(EACH):
            start = (SINCE + timedelta(minutes=15) * slot).isoformat()
            body = [{"usage_point": point, "start": start, "kwh": slot}]
            assert client.post("/v1/readings?interval_s=900", json=body).is_success


def until_they_know(folders: list[Path]) -> None:
    """Wait until each edge of these folders knows of the other."""
    await_progress(lambda: sum(bool(read_status(one)["shared_by"]) for one in folders), lambda now: now == 2, "known")


def await_contact(folder: Path) -> None:
    await_progress(lambda: bool(read_status(folder)["last_contact"]), bool, "a contact")


def listed(client: httpx.Client) -> dict[str, Any]:
    """Return the one edge that the centre lists, none of it where it knows none yet."""
    return next(iter(client.get("/v1/edges").json()["items"]), {"readings": 0, "shared_by": []})


def test_a_copied_configuration_is_told_at_both_ends_and_nothing_is_lost(tmp_path: Path) -> None:
    place, folders = str(tmp_path / "data" / "gridwright.db"), [tmp_path / f"edge-{number}" for number in (0, 1)]
    (tmp_path / "data").mkdir()
    with open_store(place) as store:
        store.registry.save_points(ME, [UsagePoint(point) for point in POINTS])
    with ExitStack() as stack:
        centre = start(tmp_path / "data", "--no-worker")
        stack.callback(centre.stop)
        edges = [copied(tmp_path, number, centre) for number in (0, 1)]
        for edge in edges:
            stack.callback(edge.stop)
        senders = [threading.Thread(target=take, args=pair) for pair in zip(edges, POINTS, strict=True)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        until_they_know(folders)
        with centre.client() as client:
            await_progress(lambda: listed(client)["readings"], lambda now: now >= 2 * EACH, "readings at the centre")
            assert len(listed(client)["shared_by"]) == 2
        with open_store(place) as store:
            (check,) = check_edges(store, datetime.now(UTC))
            assert check.state is State.WARN
            for folder, edge in zip(folders, edges, strict=True):
                assert f"process {edge.process.pid} on" in check.found
                assert f"in {folder}, from 127.0.0.1" in check.found
            assert "a name of its own" in check.remedy
            panel = store.readings.load(ME, POINTS, Interval(SINCE, SINCE + timedelta(minutes=15) * EACH))
            assert (panel.values / 1000).tolist() == [list(range(EACH))] * 2
            (stream,) = store.edges.latest(ME)
            assert (stream.readings, stream.rejected, stream.lost) == (2 * EACH, 0, 0)
        assert edges[1].stop() == 0
        assert "several processes send under one edge's name" in centre.stderr
        for edge in edges:
            assert "another process sends under this edge's name" in edge.stderr
            assert "edge.name" in edge.stderr


def test_an_edge_that_is_started_again_is_no_other_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with ExitStack() as stack:
        centre = start(tmp_path / "data", "--no-worker")
        stack.callback(centre.stop)
        for number in (0, 0, 1):  # the last one on another folder, as a machine that was replaced
            edge = copied(tmp_path, number, centre)
            folder = tmp_path / f"edge-{number}"
            await_contact(folder)
            assert edge.stop() == 0
            assert "name" not in edge.stderr
        with open_store(str(tmp_path / "data" / "gridwright.db")) as store:
            (check,) = check_edges(store, datetime.now(UTC))
            assert check.state is State.OK
