"""The fault drill: meters send to an edge, that to the centre, and everything between them fails, again and again.

Beside them bodies of lines go straight to the centre, which acknowledges them from its journal and folds them later.

`python -m tests.integration.fault_drill [ROUNDS] [FAULT…]` plays the faults named, else all of them, 30 rounds each
without a number. An interrupt (SIGINT) ends a fault after the round that is being played, and goes on to the next.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.edge.run import drain
from gridwright.edge.status import read_status
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.settings import EdgeSettings, Settings
from gridwright.store import Store, open_store
from tests.integration.fault_drill_broker import BROKER_FAULTS, play_broker
from tests.integration.fault_drill_buffer import buffer_drops, buffer_full, dropped_of, ranges_told
from tests.integration.fault_drill_clock import Stamped, centre_clock, compare_stamped, edge_clock
from tests.integration.fault_drill_journal import (
    all_is_seen,
    await_rows,
    cut_in_mid_fold,
    full_in_mid_fold,
    rows_at_rest,
    second_reader,
)
from tests.integration.fault_drill_lines import Feeder, compare_lines, feeders, prepare_lines
from tests.integration.fault_drill_meters import START, WAYS, Device, compare_meter
from tests.integration.fault_drill_places import Impossible, PrivatePostgres, Proxy, small_disk, system
from tests.integration.fault_drill_row import PAUSE, Row, some, table
from tests.integration.listen_site import free_port
from tests.integration.patience import ENOUGH, PATIENCE_S, await_progress
from tests.integration.server_process import Server, launch, start

RESTARTED_AWAY = 0.25  # of the cuts: the centre is killed and started again meanwhile
LONGEST_CUT_S = 20.0


class Load:
    """All devices at once, from a thread of its own, and feeders of lines, which send to the centre."""

    def __init__(self, url: str, devices: Sequence[Device], lines: Sequence[Feeder], site: Site) -> None:
        self.devices, self._url, self.feeders, self._site = devices, url, lines, site
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=None)
        # A draft that is given up and taken all the same, after its reading, would be nobody's fault.
        async with httpx.AsyncClient(base_url=self._url, timeout=60, limits=limits) as client:

            async def one(device: Device | Stamped) -> None:
                while not self._stopping.is_set():
                    await device.send(client)

            async def feed(feeder: Feeder) -> None:
                while not self._stopping.is_set():
                    await feeder.send(client, self._site.address, self._site.key)

            meters: list[Device | Stamped] = [*self.devices, *self._site.stamped]
            await asyncio.gather(*map(one, meters), *map(feed, self.feeders))

    @property
    def acknowledged(self) -> int:
        return sum(device.acknowledged for device in self.devices)

    @property
    def refused(self) -> int:
        return sum(device.refused for device in self.devices)

    def more(self, count: int) -> None:
        """Wait until so many more were acknowledged."""
        enough = self.acknowledged + count
        await_progress(lambda: self.acknowledged, lambda now: now >= enough, "what is acknowledged")

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@dataclass(slots=True)
class Site:
    """A centre and an edge as processes, and the store where everything must be in the end."""

    folder: Path
    store_url: str = ""
    host: str = "127.0.0.1"
    before: tuple[str, ...] = ()
    way: str = ""
    centre_port: int = field(default_factory=free_port)
    edge_port: int = field(default_factory=free_port)
    key: str = ""
    centre: Server | None = None
    edge: Server | None = None
    edge_env: dict[str, str] = field(default_factory=dict)
    centre_env: dict[str, str] = field(default_factory=dict)
    ahead: timedelta = timedelta()  # by how much the centre's clock is
    padding: int = 0  # bytes around each reading
    drops: bool = False  # the edge may drop what was acknowledged, and tells
    stamped: list[Stamped] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    caught: int = 0  # rounds in which the fault met what waited in the journal
    unseen: int = 0  # readings that were acknowledged, and that another process did not find at once

    @property
    def buffer(self) -> Path:
        return self.folder / "edge"

    @property
    def address(self) -> str:
        return self.way or f"http://{self.host}:{self.centre_port}"

    @property
    def place(self) -> str:
        return self.store_url or str(self.folder / "data" / "gridwright.db")

    def prepare(self, devices: Sequence[Device], lines: Sequence[Feeder]) -> None:
        (self.folder / "data").mkdir(exist_ok=True)
        with open_store(self.place) as store, store.transaction():
            numbers = [*(device.number for device in devices), *(meter.number for meter in self.stamped)]
            store.registry.save_points(ME, [UsagePoint(f"UP-{number}") for number in numbers])
            prepare_lines(store, lines)
            for number in numbers:
                store.registry.save_meter(ME, Meter(f"M-{number}"))
                store.registry.save_installation(ME, install(f"UP-{number}", f"M-{number}", START))

    def start_centre(self) -> None:
        env = self.centre_env | ({"GRIDWRIGHT_STORE__URL": self.store_url} if self.store_url else {})
        options = ("--no-worker", "--host", self.host, "--port", str(self.centre_port))
        self.centre = start(self.folder / "data", *options, env=env, key=self.key, before=self.before)
        self.key = self.centre.admin_key

    def start_edge(self) -> None:
        command = [sys.executable, "-m", "gridwright", "edge", "run", "--to", self.address]
        command += ["--folder", str(self.buffer), "--name", "drill", "--listen", f"127.0.0.1:{self.edge_port}"]
        env = {"GRIDWRIGHT_KEY": self.key, "GRIDWRIGHT_EDGE__LIMIT_MB": "8", "GRIDWRIGHT_EDGE__RETRY_S": "0.5"}
        self.edge = launch([*command, "--json"], self.folder, env=env | self.edge_env)

    def kill_centre(self) -> None:
        """Kill it while rows wait in its journal."""
        assert self.centre is not None
        await_rows(self)
        time.sleep(PAUSE.random() * 0.01)
        self.centre.kill()
        self.caught += rows_at_rest(self.place) > 0
        self.said.append(self.centre.stderr)

    def kill_edge(self) -> None:
        assert self.edge is not None
        self.edge.kill()
        self.said.append(self.edge.stderr)

    def met(self) -> None:
        """Wait until the edge has reached the centre since now."""
        now, until = datetime.now(UTC) + self.ahead, time.monotonic() + PATIENCE_S
        while True:
            told = read_status(self.buffer)["last_contact"]
            if told and datetime.fromisoformat(told) >= now:
                return
            assert time.monotonic() < until, read_status(self.buffer)
            time.sleep(0.02)

    def stop(self) -> None:
        """End both; what the edge still holds is brought to the centre first."""
        self._end(self.edge)
        if self.edge is not None and self.centre is not None and self.centre.process.poll() is None:
            await_progress(self._drained, lambda waiting: not waiting, "what waits on the edge")
        self._end(self.centre)

    def _drained(self) -> int:
        """Bring some of what the edge holds to the centre, and return how many records are left."""
        chosen = EdgeSettings(name="drill", to=self.address, folder=self.buffer)
        left = drain(Settings(edge=chosen), self.key, within_s=PATIENCE_S / 3)
        assert left.waiting or not left.problem, left
        return left.waiting

    def abandon(self) -> None:
        """End whatever still runs, after a failure."""
        for server in (self.edge, self.centre):
            if server is not None and server.process.poll() is None:
                server.kill()

    def _end(self, server: Server | None) -> None:
        if server is not None and server.process.poll() is None:
            assert server.stop() == 0, server.stderr
            self.said.append(server.stderr)


def compared(fault: str, rounds: int, site: Site, load: Load, seconds: float) -> Row:
    """Compare what was acknowledged with what is stored."""
    devices, stored, lost, doubled, wrong = load.devices, 0, 0, 0, 0
    with open_store(site.place) as store:
        waits = store.journal.waiting(ME)
        assert (waits.rows, waits.aside_rows) == (0, 0), waits
        found = [compare_meter(store, device) for device in devices]
        for there, gone, twice, strange in [*found, *(compare_stamped(store, meter) for meter in site.stamped)]:
            stored, lost, doubled, wrong = stored + there, lost + len(gone), doubled + twice, wrong + strange
        for feeder in load.feeders:
            lines = compare_lines(store, feeder, feeder.bodies)
            stored, lost, wrong = stored + lines.stored, lost + lines.lost, wrong + lines.wrong + len(feeder.odd)
        streams = store.edges.latest(ME)
        assert len(streams) == 1
        # Each number was applied once: a record is a reading here.
        doubled += abs(streams[0].readings - numbers_of(store))
        ranges = ranges_told(store)
        assert streams[0].rejected == 0, streams
        assert store.audit.verify(ME) > 0
        verified = verify_store(store, ME)
        assert verified.ok, [check for check in verified.checks if not check.ok]
    senders: list[Device | Stamped | Feeder] = [*devices, *site.stamped, *load.feeders]
    odd = [told for one in senders for told in one.odd]
    assert not odd, odd[:3]
    acknowledged, resent = sum(one.acknowledged for one in senders), sum(one.resent for one in senders)
    missing = [gone for _, gone, _, _ in found]
    if site.drops:
        dropped = dropped_of(missing, [device.slot for device in devices], ranges, streams[0].lost, resent)
    else:
        dropped = 0
        assert streams[0].lost == 0, f"{streams[0].lost} numbers are told as lost"
    counts = (acknowledged, stored, lost - dropped + site.unseen, doubled, wrong, resent)
    by_line = sum(feeder.acknowledged for feeder in load.feeders)
    return Row(fault, rounds, *counts, seconds, lines=by_line, caught=site.caught, dropped=dropped)


def numbers_of(store: Store) -> int:
    """Return how many numbers of all epochs are durable."""
    from sqlalchemy import func, select

    from gridwright.store.schema.flow import edge_stream

    with store._engine.connect() as connection:
        return int(connection.execute(select(func.sum(edge_stream.c.sequence - edge_stream.c.lost))).scalar_one())


Fault = Callable[[Site, Load], None]
Prepared = Callable[[Site], AbstractContextManager[Fault]]


def kill_centre(site: Site, load: Load) -> None:
    site.kill_centre()
    load.more(some())  # the edge keeps what comes meanwhile
    site.start_centre()
    site.met()
    site.unseen += all_is_seen(site, load)


def kill_edge(site: Site, load: Load) -> None:
    del load
    site.kill_edge()
    site.start_edge()


def kill_both(site: Site, load: Load) -> None:
    del load
    site.kill_edge()
    site.kill_centre()
    site.start_edge()
    site.start_centre()
    site.met()


@contextmanager
def behind_proxy(site: Site) -> Iterator[Fault]:
    """Put a way between edge and centre that is cut in the middle of batches."""
    proxy = Proxy(site.centre_port)
    site.way = f"http://127.0.0.1:{proxy.port}"

    def cut(site: Site, load: Load) -> None:
        proxy.cut()
        load.more(some())
        proxy.is_cut = False
        site.met()
        load.more(some())

    yield cut
    proxy.close()


@contextmanager
def own_network(site: Site) -> Iterator[Fault]:
    """Put the centre in a network namespace of its own, joined by one cable, which is pulled."""
    name, near, far = f"gw{site.centre_port}", f"gwa{site.centre_port}", f"gwb{site.centre_port}"
    third, fourth = divmod(site.centre_port, 64)
    # RFC 2544: addresses for benchmarks, never routed.
    ours, theirs = (f"198.18.{third % 256}.{fourth * 4 + last}" for last in (1, 2))
    try:
        system("ip", "netns", "add", name)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Impossible("network namespaces are not allowed here") from error
    try:
        system("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        system("ip", "addr", "add", f"{ours}/30", "dev", near)
        system("ip", "link", "set", near, "up")
        system("ip", "-n", name, "addr", "add", f"{theirs}/30", "dev", far)
        system("ip", "-n", name, "link", "set", far, "up")
        site.host, site.before = theirs, ("nsenter", f"--net=/var/run/netns/{name}", "--")

        def pull(site: Site, load: Load) -> None:
            system("ip", "link", "set", near, "down")
            load.more(some())
            if PAUSE.random() < RESTARTED_AWAY:
                # The other end forgets the connection, and cannot tell.
                site.kill_centre()
                site.start_centre()
            else:
                time.sleep(LONGEST_CUT_S * PAUSE.random() ** 4)
            system("ip", "link", "set", near, "up")
            site.met()
            load.more(some())

        yield pull
    finally:
        system("ip", "netns", "del", name)


@contextmanager
def full_edge(site: Site) -> Iterator[Fault]:
    """Give the edge's buffer a small disk, and fill it."""
    with small_disk(site.buffer, "8m") as fill:

        def full(site: Site, load: Load) -> None:
            before = sum(device.resent for device in load.devices)
            filler, until = fill(), time.monotonic() + PATIENCE_S
            while sum(device.resent for device in load.devices) <= before:
                assert time.monotonic() < until, "a full disk was not told"
                time.sleep(0.01)
            if PAUSE.random() < 0.5:
                site.kill_edge()
                filler.unlink()
                site.start_edge()
            filler.unlink(missing_ok=True)
            load.more(some())

        yield full


@contextmanager
def full_centre(site: Site) -> Iterator[Fault]:
    """Give the centre's database a small disk, and fill it; lines alone need some MB of it a round, and the log 64."""
    with small_disk(site.folder / "data", "400m") as fill:

        def full(site: Site, load: Load) -> None:
            filler = fill()
            # What the log and the database have already taken of the disk still takes lines.
            await_progress(
                lambda: sum(feeder.acknowledged for feeder in load.feeders),
                lambda _: bool(read_status(site.buffer)["problem"]),
                "a full disk",
                0.05,
            )
            load.more(some())
            filler.unlink()
            site.met()
            load.more(some())

        yield full


@contextmanager
def own_postgres(site: Site) -> Iterator[Fault]:
    """Give the centre a PostgreSQL of its own, which is restarted under load."""
    server = PrivatePostgres()
    site.store_url = server.url
    try:

        def restart(site: Site, load: Load) -> None:
            server.restart()
            site.met()
            load.more(some())

        yield restart
    finally:
        server.close()


def plainly(fault: Fault) -> Prepared:
    """Return a fault that needs no preparation."""

    @contextmanager
    def prepared(site: Site) -> Iterator[Fault]:
        del site
        yield fault

    return prepared


FAULTS: dict[str, Prepared] = {
    "server killed": plainly(kill_centre),
    "edge killed": plainly(kill_edge),
    "server and edge killed": plainly(kill_both),
    "network cut (proxy)": behind_proxy,
    "network cut (namespace)": own_network,
    "disk of the edge full": full_edge,
    "disk of the server full": full_centre,
    "clock of the edge jumps": edge_clock,
    "clock of the server jumps": centre_clock,
    "buffer of the edge full": buffer_full,
    "buffer of the edge full, drops the oldest": buffer_drops,
    "PostgreSQL restarted": own_postgres,
    "second process reads, and is killed": second_reader,
    "disk of the server full in mid-fold": full_in_mid_fold,
    "PostgreSQL cut in mid-fold": cut_in_mid_fold,
}


def play(names: Sequence[str], rounds: int, folder: Path, devices: int = 8) -> Row:
    """Play faults several times under load, one after another on the same site, and compare in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    site, began, told = Site(folder), time.monotonic(), ", ".join(names)
    with ExitStack() as stack:
        try:
            faults = [stack.enter_context(FAULTS[name](site)) for name in names]
        except Impossible as reason:
            return Row(told, 0, 0, 0, 0, 0, 0, 0, 0.0, str(reason))
        # A draft may stay where its reading was dropped: no meter sends drafts then.
        ways = [way for way in WAYS if not (site.drops and way == "revised")]
        every = [Device(number, ways[number % len(ways)], site.padding) for number in range(devices)]
        lines = feeders()
        site.prepare(every, lines)
        stack.callback(site.abandon)
        site.start_centre()
        site.start_edge()
        load = Load(f"http://127.0.0.1:{site.edge_port}", every, lines, site)
        played = 0
        while played < rounds and not ENOUGH.is_set():
            for fault in faults:
                load.more(some())
                fault(site, load)
            played += 1
        load.more(some())
        load.stop()
        site.stop()
        assert "Traceback" not in "".join(site.said), "".join(site.said)
        return compared(told, played, site, load, time.monotonic() - began)


def main() -> int:
    """Play all faults and print the table; 1 where anything is lost, doubled or wrong."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    chosen = sys.argv[2:] or [*FAULTS, *BROKER_FAULTS]
    rows = []
    signal.signal(signal.SIGINT, lambda *_: ENOUGH.set())
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        for at, name in enumerate(chosen):
            place = Path(folder) / str(at)
            ENOUGH.clear()
            rows.append(play_broker(name, rounds, place) if name in BROKER_FAULTS else play([name], rounds, place))
            sys.stdout.write(f"{table(rows[-1:])}\n")
            sys.stdout.flush()
    sys.stdout.write(f"\n{table(rows)}\n")
    return 0 if all(row.is_well for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
