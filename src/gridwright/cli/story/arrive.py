"""Acts one to four: the town is built, the server opens, and readings arrive by three entrances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from gridwright.cli.story.cast import hire, write_cards
from gridwright.cli.story.server import ServerProcess
from gridwright.cli.story.stage import Stage, clock
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.interval import Interval, from_epoch_s, local_midnight, zone_of
from gridwright.simulate.delivery import (
    Entrance,
    history,
    late_batches,
    meters_of,
    register_over_http,
)
from gridwright.simulate.delivery.meters import PASSWORD
from gridwright.simulate.living import LivingTown, Response, living_town, registry_of
from gridwright.simulate.town import Fault
from gridwright.simulate.virtual_meter import MeterServerThread

POINTS, SEED, ZONE = 24, 20_261, "Europe/Berlin"
MONTHS_BACK, AHEAD = 2, timedelta(days=7)
# No fault lies in the last day and a half, so that the town can live on.
CLEAN = timedelta(hours=36)
# The last street's meters are called by the head-end; what they said before that came from the system before.
CALLED, CALLED_SINCE = 6, timedelta(days=6)
# So far back a meter is asked for what is missing, and a day for the edges.
READ_AGAIN = timedelta(days=11)
DRIFTS_S = (0.0, 47.0, -3.0)
UNKNOWN, SMALL_DEVICES = "M-9999", 3
DRIVER = "generic-relay"
HALF_A_WATT_HOUR = 0.0005
SATURDAY = 5


def build(out: Path, say: Callable[[str], None], address: str = "") -> Stage:
    """Build the town from two months before this one up to now, and some days on; nothing is running yet."""
    now, zone = clock(), zone_of(ZONE)
    today = now.astimezone(zone).date()
    month = today.year * 12 + today.month - 1 - MONTHS_BACK
    this_hour = from_epoch_s(now.timestamp() // 3600 * 3600)
    period = Interval(local_midnight(date(month // 12, month % 12 + 1, 1), zone), this_hour + AHEAD)
    event = last_evening(today)
    followers = tuple(f"UP-{1001 + i}" for i in range(POINTS - CALLED))
    town = town_of(period, [Response(event, followers)])
    return Stage(out, now, say, server_for(out, address), town, event)


def town_of(period: Interval, responses: Sequence[Response] = ()) -> LivingTown:
    """Return the town over a period that ends some days on; without `responses` as if no event had been called."""
    return living_town(POINTS, period, SEED, zone=ZONE, responses=responses, faults_until=period.end - AHEAD - CLEAN)


def last_evening(today: date) -> Interval:
    """Return 17 to 20 h local time of the last working day before today: 10-of-10 compares working days."""
    day = today - timedelta(days=1)
    while day.weekday() >= SATURDAY:
        day -= timedelta(days=1)
    midnight = local_midnight(day, zone_of(ZONE))
    return Interval(midnight + timedelta(hours=17), midnight + timedelta(hours=20))


def server_for(out: Path, address: str) -> ServerProcess:
    """Return the server, which looks for work more often than one that nobody watches."""
    environment = {
        "GRIDWRIGHT_BILLING__RATE_CARDS": str(write_cards(out / "rate_cards").resolve()),
        "GRIDWRIGHT_SITE__ZONE": ZONE,
        "GRIDWRIGHT_LOG__LEVEL": "info",
        "GRIDWRIGHT_WORK__COLLECT_EVERY_S": "2",
        "GRIDWRIGHT_WORK__VALIDATE_EVERY_S": "2",
        "GRIDWRIGHT_WORK__CONTROLS_EVERY_S": "0.3",
        "GRIDWRIGHT_WORK__JOBS_EVERY_S": "0.2",
    }
    if address:
        environment["GRIDWRIGHT_STORE__URL"] = address
    return ServerProcess(out / "data", log=out / "server.log", environment=environment)


def open_doors(stage: Stage) -> None:
    """Start the server, hire the players, and tell it what hangs where."""
    stage.admin = stage.server.start()
    hire(stage)
    with Entrance(stage.server.url, stage.boss.key) as entrance:
        register_over_http(entrance, registry_of(stage.town))
    known = len(stage.boss.get("/v1/usage-points", limit=1000)["items"])
    masters = len(stage.town.masters.points)
    stage.check("usage points and master meters are registered", known == POINTS + masters, f"{POINTS} + {masters}")


def deliver(stage: Stage) -> None:
    """Send the past by HTTP: in batches, singly, late, corrected, and from a meter that nobody knows."""
    called = frozenset(called_points(stage.town))
    others = frozenset(stage.town.town.panel.points) - called
    until = from_epoch_s(stage.now.timestamp() // 900 * 900)
    whole = Interval(stage.town.period.start, until)
    sent = 0
    with Entrance(stage.server.url, stage.keys["head-end"]) as entrance:
        parts = [*history(stage.town, whole, others), *late_batches(stage.town, whole, others)]
        before = Interval(whole.start, until - CALLED_SINCE)
        parts += [*history(stage.town, before, called), *late_batches(stage.town, before, called)]
        for batch in parts:
            entrance.post_batch(batch.body)
            sent += batch.readings
        took = entrance.delivered
        for point in stage.town.town.panel.points[:SMALL_DEVICES]:
            row = stage.town.town.panel.index(point)
            entrance.post_reading(stage.town.town.meters[row].serial, f"{register_kwh(stage.town, row, until):.3f}", "")
        entrance.post_reading(UNKNOWN, "123.456", "")
    stage.check("every reading sent by HTTP is acknowledged", (took.accepted, took.rejected) == (sent, 0), f"{sent:,}")
    waiting = [each["meter"] for each in stage.boss.get("/v1/quarantine")["items"]]
    stage.check("a meter that nobody knows waits to be claimed", waiting == [UNKNOWN], UNKNOWN)


def register_kwh(town: LivingTown, row: int, until: datetime) -> float:
    """Return what a register shows at an instant."""
    from gridwright.simulate.living.build import OPENING_WH

    panel = town.town.truth.panel
    slots = (until - panel.start) // panel.interval
    return float(OPENING_WH + panel.values[row, :slots].sum()) / 1000


def called_points(town: LivingTown) -> tuple[str, ...]:
    """Return the usage points whose meters the head-end calls."""
    return town.town.panel.points[-CALLED:]


def is_told_anew(stage: Stage, fault: Fault) -> bool:
    """Tell whether the head-end has the right values from the meter itself, so that nothing is left to be doubted."""
    called = fault.usage_point in called_points(stage.town)
    return called and fault.period.end > stage.now - READ_AGAIN


def call_meters(stage: Stage) -> None:
    """Put meters on a port, add, commission and read them as a utility does."""
    points = called_points(stage.town)
    meters = meters_of(stage.town, points, clock, drifts=DRIFTS_S)
    stage.meters = dict(zip(points, meters, strict=True))
    stage.port = MeterServerThread(meters)
    stage.port.start()
    for point, meter in stage.meters.items():
        add(stage, point, meter.serial)
    serials = [meter.serial for meter in meters]
    for serial in serials:
        done = stage.boss.job(f"/v1/end-devices/{serial}/commission", {})
        if done["failed"]:
            stage.say(f"     {done['failed']}")
    links = [stage.boss.get(f"/v1/end-devices/{serial}") for serial in serials]
    in_service = sum(link["state"] == "in-service" for link in links)
    stage.check(
        "meters are commissioned over IEC 62056-21", in_service == len(serials), f"{in_service} of {len(serials)}"
    )
    wrong = meters[1]
    stage.check("a clock 47 s ahead was found and set", abs(wrong.drift_s) < 1, f"now {wrong.drift_s:.1f} s")
    last = from_epoch_s(stage.now.timestamp() // 900 * 900)
    stage.wait("the meters' profiles are read", lambda: all(newest(stage, point) >= last for point in points))
    stage.check("their load profiles are read without a gap", all(complete(stage, point, last) for point in points))


def add(stage: Stage, point: str, serial: str) -> None:
    """Add a device with its password, as `gridwright collect add` does."""
    from gridwright.app.live import vault
    from gridwright.jobs.field.add_device import NewDevice, add_device

    if stage.port is None:
        return
    with stage.beside() as platform:
        device = NewDevice(serial, DRIVER, stage.port.address(serial), point)
        add_device(
            platform.store, LOCAL_OWNER, device, now=clock(), secret=PASSWORD.encode(), seal=vault(platform).seal
        )


def newest(stage: Stage, point: str) -> datetime:
    """Return the end of the last delivered energy that is stored of a usage point."""
    series = stage.boss.get(f"/v1/usage-points/{point}/series")["items"]
    ends = [datetime.fromisoformat(each["to"]) for each in series if "delivered/energy/delta" in each["reading_type"]]
    return max(ends, default=stage.town.period.start)


def complete(stage: Stage, point: str, until: datetime) -> bool:
    """Tell whether what the head-end read is what the meter measured, interval by interval."""
    since = until - CALLED_SINCE
    block = stage.boss.get(
        f"/v1/usage-points/{point}/interval-blocks", **{"from": since.isoformat(), "to": until.isoformat()}
    )
    truth = stage.town.town.truth.panel.row(point).regrid(Interval(since, until)).kwh[0]
    pairs = zip(block["values"], truth.tolist(), strict=True)
    return all(value is not None and abs(value - true) < HALF_A_WATT_HOUR for value, true in pairs)
