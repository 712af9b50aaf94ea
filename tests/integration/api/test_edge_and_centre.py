"""An edge and a centre over real HTTP: a centre from an older backup, and one that fails at a record for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvicorn

from gridwright.api.edge.batches import EdgeBatches
from gridwright.api.edge.decode import Decoders, Kept
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.edge.bounds import Bounds
from gridwright.edge.buffer import Buffer
from gridwright.edge.clock import EdgeClock, Source
from gridwright.edge.entry import to_bytes
from gridwright.edge.folder import Sent
from gridwright.edge.forward import Forwarder
from gridwright.edge.link import Centre, Link
from gridwright.edge.poison import PATIENCE_S, Suspicion
from gridwright.edge.rejected import read_rejected
from gridwright.edge.resend import resend
from gridwright.edge.sealing import Seals
from gridwright.settings import Settings
from tests.integration.api.small_town import NOW, Town, opened, platform_at
from tests.unit.edge.test_buffer import seals_in

if TYPE_CHECKING:
    from gridwright.api.edge.wire import Record
    from gridwright.api.ingest.table import Decoded

TINY = Bounds(segment=400)
SINCE = NOW - timedelta(hours=5)


@contextmanager
def served(town: Town, folder: Path) -> Iterator[tuple[Town, str]]:
    """Serve a copy of a town at a port."""
    folder.mkdir()
    with opened(town, folder) as copy:
        server = uvicorn.Server(uvicorn.Config(copy.app, port=0, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            pause = threading.Event()
            while not server.started:
                pause.wait(0.02)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield copy, f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(30)


def backup_of(town: Town, folder: Path) -> Town:
    """Return a town as it was left in a folder."""
    return replace(town, platform=platform_at(folder))


class Edge:
    """An edge of the town, with its clock at the centre's time."""

    def __init__(self, folder: Path, town: Town, url: str) -> None:
        self.seals = Seals(seals_in(folder).vault, seals=True)
        self.buffer = Buffer(folder, TINY, self.seals)
        us = int(NOW.timestamp() * 1_000_000)
        self.clock = EdgeClock(folder, source=Source(lambda: us, lambda: 1_000_000, "b"))
        self.seconds = 0.0
        link = Link(Centre(url, town.keys["device"], timeout_s=20), "E-1")
        self.forwarder = Forwarder(self.buffer, link, self.clock, sent=Sent("E-1", url))
        self.forwarder._suspicion = Suspicion(lambda: self.seconds)

    def go_to(self, town: Town, url: str) -> None:
        self.forwarder._link.close()
        self.forwarder._link = Link(Centre(url, town.keys["device"], timeout_s=20), "E-1")

    def take(self, *kwh: int) -> None:
        for number in kwh:
            start = (SINCE + timedelta(minutes=15) * number).isoformat()
            body = f'[{{"usage_point": "UP-1", "start": "{start}", "kwh": {number}}}]'.encode()
            kept = Kept("/v1/readings", "application/json", "interval_s=900", body)
            self.buffer.append([to_bytes(kept, self.clock.now(), stamped=False)])

    def go_on(self, attempts: int = 40) -> None:
        for _ in range(attempts):
            self.forwarder.attempt()
            if self.buffer.is_told:
                break
            self.seconds += PATIENCE_S / 4

    def end(self) -> None:
        self.forwarder.stop()
        self.buffer.close()


def stored(town: Town) -> list[float]:
    """Return the energy of each slot since the edge began, as far as it came from there: whole kWh."""
    span = Interval(SINCE, SINCE + timedelta(hours=4))
    panel = town.platform.store.readings.load(ME, ["UP-1"], span)
    return [value / 1000 for value in panel.values[0].tolist()]


def lost_in(town: Town) -> list[dict[str, object]]:
    found = (record for record in reversed(town.platform.store.audit.records(ME, limit=20)))
    return [dict(record.detail) for record in found if "lost" in record.detail]


def test_a_restored_centre_learns_which_numbers_of_which_epochs_it_lacks(built_town: Town, tmp_path: Path) -> None:
    with served(built_town, tmp_path / "1") as (town, url):
        edge = Edge(tmp_path / "edge", town, url)
        edge.take(1, 2, 3)
        edge.go_on()
        edge.end()
    with served(backup_of(built_town, tmp_path / "1"), tmp_path / "2") as (town, url):
        edge = Edge(tmp_path / "edge", town, url)
        edge.take(4, 5)
        edge.go_on()
        second = edge.buffer.epoch
        edge.end()
    with served(backup_of(built_town, tmp_path / "1"), tmp_path / "3") as (town, url):
        edge = Edge(tmp_path / "edge", town, url)
        edge.take(6)
        edge.go_on()
        edge.end()
        (told,) = lost_in(town)
        assert (told["epoch"], told["lost"], told["numbers"]) == (second, 2, "1-2")
        assert (told["since"], datetime.fromisoformat(str(told["until"]))) == (None, NOW)
        (row,) = town.get("/v1/edges").json()["items"]
        assert (row["lost"], row["readings"]) == (2, 4)
        found = stored(town)
        assert (found[1:4], found[6]) == ([1.0, 2.0, 3.0], 6.0)


def test_what_the_edge_still_has_goes_again(built_town: Town, tmp_path: Path) -> None:
    with served(built_town, tmp_path / "1") as (town, url):
        edge = Edge(tmp_path / "edge", town, url)
        edge.take(1)
        edge.go_on()
    with served(backup_of(built_town, tmp_path / "1"), tmp_path / "2") as (_, url):
        edge.go_to(town, url)
        edge.take(2)
        edge.go_on()
    with served(backup_of(built_town, tmp_path / "1"), tmp_path / "3") as (town, url):
        edge.go_to(town, url)
        edge.take(3)
        edge.go_on()
        edge.end()
        assert lost_in(town) == []
        assert stored(town)[1:4] == [1.0, 2.0, 3.0]


def test_a_record_at_which_the_centre_fails_is_put_aside_and_sent_again(
    built_town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = EdgeBatches._decode

    def failing(self: EdgeBatches, record: Record, now: datetime) -> Decoded:
        if b'"kwh": 3' in record.body:
            raise ZeroDivisionError
        return real(self, record, now)

    with served(built_town, tmp_path / "1") as (town, url):
        edge = Edge(tmp_path / "edge", town, url)
        with monkeypatch.context() as patch:
            patch.setattr(EdgeBatches, "_decode", failing)
            edge.take(1, 2, 3, 4, 5)
            edge.go_on()
            assert edge.buffer.is_told, edge.forwarder.progress.problem
        edge.end()
        (aside,) = read_rejected(tmp_path / "edge", edge.seals)
        assert (aside["sequence"], '"kwh": 3' in aside["body"]) == (3, True)
        assert aside["verdicts"][0]["reason"].startswith("the centre answers 500: ")
        assert [stored(town)[number] for number in (1, 2, 4, 5)] == [1.0, 2.0, 4.0, 5.0]
        assert [(one["lost"], one["numbers"]) for one in lost_in(town)] == [(1, "3-3")]
        edge = Edge(tmp_path / "edge", town, url)
        resend(edge.buffer, edge.seals, Decoders(Settings()), reason="answers 500")
        edge.go_on()
        edge.end()
        assert stored(town)[1:6] == [1.0, 2.0, 3.0, 4.0, 5.0]
