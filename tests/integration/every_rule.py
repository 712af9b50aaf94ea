"""A town in which every rule of the catalogue is broken once, each at a usage point of its own, through the product."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.api.app import make_app
from gridwright.api.server import compose
from gridwright.app import Platform, live
from gridwright.domain.access import LOCAL_OWNER, Role
from gridwright.domain.identity import User
from gridwright.settings import BillingSettings, CollectSettings, Settings, StoreSettings, VeeSettings
from gridwright.simulate.virtual_meter import MeterServerThread, VirtualMeter
from gridwright.work import tasks
from gridwright.work.ordered import run_ordered
from tests.integration.api.small_town import Town
from tests.integration.field.street import PASSWORD, wh_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAYS = 100
START = NOW.replace(hour=0) - DAYS * DAY
# On this day something is wrong.
FAULT = 80
# What the packaged groups leave off, switched on as an operator would.
RULES = """version = "all"
[[group]]
name = "residential"
extends = "residential"
[group.rules]
V33_register = true
"""
CARD = """[tariff]
id = "flat"
version = 1
name = "Flat"
class = "residential"
currency = "EUR"
tz = "Europe/Berlin"
[[charges]]
id = "energy"
label = "Energy"
price = { rate = 0.30 }
"""
Values = npt.NDArray[np.floating[Any]]
Seed = Callable[["Seeded", str], None]
SEEDS: dict[str, Seed] = {}


def seed(code: str) -> Callable[[Seed], Seed]:
    """Say which rule the function breaks; it gets the town, and the usage point that is named after the rule."""

    def note(broken: Seed) -> Seed:
        SEEDS[code] = broken
        return broken

    return note


def usual(number: int = 0, days: int = DAYS) -> Values:
    """A home's hours in Wh: morning, evening, and a little chance that repeats from run to run."""
    hours = np.arange(24 * days)
    noise = np.random.default_rng(number).uniform(0, 60, hours.size)
    return np.rint(300 + 200 * np.exp(-(((hours % 24 - 19) / 3) ** 2)) + noise)


@dataclass
class Seeded:
    """The town: its platform and API, a folder for files, virtual meters; `now` is the world's time."""

    platform: Platform
    town: Town
    folder: Path
    gateway: MeterServerThread
    now: list[datetime]
    meters: dict[str, VirtualMeter] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any, **more: Any) -> Any:  # noqa: ANN401 - JSON
        answer = self.town.ask(method, path, json=body, **more)
        assert answer.status_code < 300, (path, answer.text)
        return answer.json()

    def point(self, name: str, attributes: Mapping[str, str] | None = None, **more: object) -> None:
        body = {"id": name, "zone": "Europe/Berlin", "attributes": attributes or {}, **more}
        self.ask("POST", "/v1/usage-points", body)

    def send(self, name: str, wh: Values, start: datetime = START, **more: object) -> None:
        """Post hourly energy; NaN is no value."""
        kwh = [None if np.isnan(one) else one / 1000 for one in wh.tolist()]
        record = {"usage_point": name, "start": start.isoformat(), "interval_s": 3600, "kwh": kwh, **more}
        self._post([record])

    def sense(self, name: str, values: Values, unit: str, start: datetime = START) -> None:
        """Post hourly values of another unit."""
        self._post(
            {"usage_point": name, "start": (start + slot * HOUR).isoformat(), "interval_s": 3600, "value": value}
            | {"unit": unit}
            for slot, value in enumerate(values.tolist())
        )

    def read(self, name: str, kwh: Mapping[int, float], meter: str = "", kind: str = "") -> None:
        """Post a register's reads, by day."""
        more = {"meter": meter} if meter else {"usage_point": name}
        more |= {"reading_type": kind} if kind else {}
        word = "value" if kind else "register_kwh"
        self._post({"at": (START + day * DAY).isoformat(), word: value, **more} for day, value in kwh.items())

    def _post(self, records: Any) -> None:  # noqa: ANN401 - records
        answer = self.ask("POST", "/v1/readings", list(records))
        assert (answer["rejected"], answer["quarantined"]) == (0, 0), answer

    def exchange(self, name: str, serial: str, at: datetime = START - DAY, **more: object) -> None:
        self.ask("POST", f"/v1/usage-points/{name}/meter-exchange", {"serial": serial, "at": at.isoformat(), **more})

    def file(self, name: str, text: str) -> None:
        """Import a file as the command line does."""
        path = self.folder / f"{name}.csv"
        path.write_text(text, encoding="utf-8")
        self.platform.import_file(path)

    def meter(self, name: str) -> VirtualMeter:
        """Hang up a device that is reached by its driver, and take it into service."""
        serial = f"M-{name}"
        since = self.now[0] - 3 * DAY
        one = VirtualMeter(serial, clock=lambda: self.now[0], source=wh_of, since=since, password=PASSWORD)
        self.gateway.add(one)
        body = {"driver": "generic-relay", "address": self.gateway.address(serial), "usage_point": name}
        body |= {"serial": serial, "since": since.isoformat(), "password": PASSWORD}
        self.ask("POST", "/v1/end-devices", body)
        done = live.commission(self.platform, [serial])
        assert done.in_service == 1, done
        return one

    def judge(self) -> None:
        """Do what the worker does by itself."""
        tasks.correct(self.platform)
        tasks.refresh(self.platform)

    def findings(self) -> list[dict[str, Any]]:
        """Return the open findings as the work list shows them."""
        found, path = [], "/v1/findings?limit=1000"
        while path:
            page = self.town.get(path).json()
            found += page["items"]
            path = page.get("next") or ""
        return found


@contextmanager
def seeded(folder: Path) -> Iterator[Seeded]:
    """Build the town and break every rule of SEEDS at the usage point of its name."""
    rules = folder / "vee.toml"
    rules.write_text(RULES, encoding="utf-8")
    (folder / "flat.toml").write_text(CARD, encoding="utf-8")
    settings = Settings(
        billing=BillingSettings(rate_cards=folder, rate_card="flat"),
        store=StoreSettings(url=str(folder / "town.db")),
        vee=VeeSettings(rules=rules),
        collect=CollectSettings(timeout_s=2.0),
    )
    now = [NOW]
    platform = Platform(settings, clock=lambda: now[0])
    store = platform.store
    store.identities.save_user(LOCAL_OWNER, User("admin", Role.ADMIN))
    key = store.identities.create_key(LOCAL_OWNER, "admin")[1]
    app = compose(platform, make_app(platform))
    app._writer.start()
    gateway = MeterServerThread([]).start()
    try:
        there = Seeded(platform, Town(platform, {"admin": key}, {}, app, app._writer), folder, gateway, now)
        for code, broken in SEEDS.items():
            broken(there, code)
        now[0] = NOW
        there.judge()
        yield there
    finally:
        app._writer.stop()
        gateway.stop()
        platform.close()


def spoiled(slot: int, *values: float, number: int = 0) -> Values:
    """The usual hours with others from a slot of the day FAULT on."""
    wh = usual(number)
    first = FAULT * 24 + slot
    wh[first : first + len(values)] = values
    return wh


@seed("V01_clock")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.meter(name).drift_s = 400.0
    live.collect(town.platform, [f"M-{name}"])


@seed("V02_ident")
def _(town: Seeded, name: str) -> None:
    town.point(name, {"interval_min": "15"})
    town.send(name, usual(2))


@seed("V03_duplicate")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.send(name, usual(3))
    town.send(name, usual(3)[:2] + 7, START + FAULT * DAY)


@seed("V04_align")
def _(town: Seeded, name: str) -> None:
    begin = START + FAULT * DAY + timedelta(minutes=7)
    rows = [f"{name},{(begin + slot * HOUR).isoformat()},{wh / 1000}" for slot, wh in enumerate(usual(4, 3))]
    town.file(name, "\n".join(["usage_point,start,kWh", *rows]))


@seed("V05_count")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.send(name, spoiled(3, np.nan, np.nan))


SEEDS["V10_missing"] = SEEDS["V05_count"]


@seed("V06_future")
def _(town: Seeded, name: str) -> None:
    begin = NOW - 5 * HOUR
    rows = [f"{name},{(begin + slot * HOUR).isoformat()},{wh / 1000}" for slot, wh in enumerate(usual(6, 1))]
    town.file(name, "\n".join(["usage_point,start,kWh", *rows]))


@seed("V06_late")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.now[0] = NOW - 5 * DAY
    town.send(name, usual(7, DAYS - 5))
    town.now[0] = NOW
    town.send(name, usual(7, 1), START + (DAYS - 5) * DAY)


@seed("V07_sibling")
def _(town: Seeded, name: str) -> None:
    town.point(name, exports=True)
    town.send(name, usual(8))
    fed = spoiled(-2, *[np.nan] * 28, number=8)
    town.send(name, fed, flow="received")


@seed("V08_prolonged")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.send(name, spoiled(0, *[np.nan] * 120))


@seed("V11_negative")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.send(name, spoiled(3, -50))


@seed("V12_capacity")
def _(town: Seeded, name: str) -> None:
    town.point(name, capacity_kw=17)
    town.send(name, spoiled(3, 30_000))


@seed("V13_limit")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.sense(name, np.array([*[20.0 + slot % 5 for slot in range(48)], 400.0, 21.0]), "°C")


@seed("V13_low_limit")
def _(town: Seeded, name: str) -> None:
    town.point(name, {"base_load_kw": "0.2"})
    town.send(name, spoiled(3, 120))


@seed("V14_status")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.meter(name).tamper()
    town.now[0] += HOUR
    live.collect(town.platform, [f"M-{name}"])


@seed("V15_overflow")
def _(town: Seeded, name: str) -> None:
    town.point(name, {"recorder_bits": "10", "pulse_wh": "1"})
    town.send(name, spoiled(3, 1023))


@seed("V16_zero_run")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.send(name, spoiled(0, *[0.0] * 20))


@seed("V17_stuck")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.send(name, spoiled(0, *[456.0] * 14))


@seed("V18_spike")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.send(name, spoiled(3, 5_000))


@seed("V19_spike_mad")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    wh = spoiled(10, 310, 311, 312, 890, 311, 310, 312)
    town.send(name, wh)


@seed("V20_step")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.sense(name, np.array([20.0, 20.5, 21.0, 55.0, 21.0, 20.0]), "°C")


@seed("V21_power_factor")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.send(name, usual(21, 3))
    town.sense(name, np.rint(usual(21, 3)) * 5, "varh")


@seed("V22_export")
def _(town: Seeded, name: str) -> None:
    town.point(name, {"generation": "none"})
    town.send(name, usual(22, 5))
    town.send(name, usual(22, 5), flow="received")


@seed("V23_inactive")
def _(town: Seeded, name: str) -> None:
    town.point(name, {"vacant": "true"})
    town.send(name, usual(23, 5))


@seed("V30_sum")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.exchange(name, f"M-{name}")
    wh = usual(30)
    town.send(name, wh)
    counted = np.r_[0, np.cumsum(wh)] / 1000
    reads = {day: 1000 + counted[24 * day] + (0.8 if day > FAULT else 0) for day in range(FAULT - 2, FAULT + 3)}
    town.read(name, reads, f"M-{name}")


@seed("V31_tou_sum")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.exchange(name, f"M-{name}")
    wh = usual(31)
    town.send(name, wh)
    kind = "electricity/delivered/energy/cumulative/0"
    used = float(wh[24 * FAULT : 24 * (FAULT + 1)].sum() / 1000)
    for channel, begin, more in (("", 100.0, used), ("/T1", 60.0, used - 3), ("/T2", 40.0, 5.0)):
        town.read(name, {FAULT: begin, FAULT + 1: begin + more}, f"M-{name}", kind + channel)


@seed("V32_register")
def _(town: Seeded, name: str) -> None:
    town.point(name, capacity_kw=17)
    town.exchange(name, f"M-{name}")
    town.send(name, usual(32))
    town.read(name, {FAULT: 5000.0, FAULT + 1: 5008.0}, f"M-{name}")
    town.read(name, {FAULT + 2: 4000.0}, f"M-{name}")


@seed("V33_high_low")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    wh = usual(33)
    wh[24 * FAULT : 24 * (FAULT + 1)] = np.rint(wh[24 * FAULT : 24 * (FAULT + 1)] / 20)
    town.send(name, wh)


@seed("V33_register")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.exchange(name, f"M-{name}")
    town.read(name, {10: 1000.0, 40: 1300.0, 70: 1310.0}, f"M-{name}")


@seed("V34_high_demand")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.send(name, spoiled(18, 900, 950, 930, 910))


@seed("V35_load_factor")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.send(name, 500.0 + np.arange(24 * DAYS) % 3)


@seed("V36_main_check")
def _(town: Seeded, name: str) -> None:
    town.point(f"{name}-check")
    town.point(name, {"checked_by": f"{name}-check"})
    town.send(name, usual(36))
    town.send(f"{name}-check", np.rint(usual(36) * 1.1))


@seed("V37_balance")
def _(town: Seeded, name: str) -> None:
    for point in (name, f"{name}-a", f"{name}-b"):
        town.point(point)
    nodes = [{"id": "T-37", "kind": "transformer", "rating_kva": 400, "meter": name}]
    joined = [{"usage_point": f"{name}-{one}", "node": "T-37", "from": START.isoformat()} for one in "ab"]
    town.ask("PUT", "/v1/grid/topology", {"nodes": nodes, "connections": joined})
    first, second = usual(37), usual(38)
    town.send(f"{name}-a", first)
    town.send(f"{name}-b", second)
    town.send(name, np.rint((first + second) * np.where(np.arange(24 * DAYS) // 24 >= DAYS - 5, 1.5, 1.02)))


@seed("V38_replacement")
def _(town: Seeded, name: str) -> None:
    town.point(name)
    town.send(name, usual(39))
    town.ask("POST", "/v1/bills", {"period": "2026-10", "points": [name], "tariff": "flat"})
    run_ordered(town.platform)
    (bill,) = town.town.get(f"/v1/bills?point={name}").json()["items"]
    town.ask("POST", f"/v1/bills/{bill['id']}/issue", {})
    town.send(name, usual(39)[:48] * 2, datetime(2026, 10, 10, tzinfo=UTC))
