"""Which way a column counts: what says that it is net is net, in any season and beside any other."""

from __future__ import annotations

import pytest

from gridwright.api.ingest.meaning import FLOWS, Said, meaning_of
from gridwright.domain.reading_type import Flow
from gridwright.formats.roles import flow_of_register
from gridwright.formats.roles import meaning_of as meaning_of_name
from tests.unit.formats.csv_reading import Read, read

HOURS = [f"2025-06-01T{hour:02d}:00:00Z" for hour in range(24)]
ENERGY, POWER = "electricity/{}/energy/delta/0", "electricity/{}/power/instantaneous/0"


def table(columns: str, *rows: str, **options: str) -> Read:
    lines = [f"{at},{rows[at_hour % len(rows)]}" for at_hour, at in enumerate(HOURS)]
    return read("\n".join([f"start,{columns}", *lines, ""]), **options)


def sums(found: Read) -> dict[str, float]:
    """Return the sum of each series in thousands of its unit."""
    total: dict[str, float] = {}
    for one in (series for piece in found.pieces for series in piece.series):
        total[one.reading_type.code] = total.get(one.reading_type.code, 0) + float(one.value.sum()) / 1000
    return {code: round(value, 3) for code, value in total.items()}


def test_net_energy_is_net_in_summer_and_in_winter() -> None:
    winter, summer = table("net_kwh", "0.6"), table("net_kwh", "0.6", "-0.4")
    assert sums(winter) == {ENERGY.format("net"): 14.4}
    assert sums(summer) == {ENERGY.format("net"): 2.4}
    assert winter.told("direction of net_kwh") == summer.told("direction of net_kwh") == "net: drawn less fed in"


@pytest.mark.parametrize(
    "name", ["metering_point_type", "MeteringPointType", "Målepunktstype", "type of metering point"]
)
def test_the_type_of_a_danish_metering_point_tells_the_direction(name: str) -> None:
    """ebIX, as in Danish XML: E17 is consumption, E18 production, an exchange (E20) has none; others a channel."""
    found = table(f"{name},kWh", "E17,1.0", "E18,0.5", "E20,0.25", "e18,0.5", "E77,0.25", "D07,1.0")
    assert sums(found) == {
        ENERGY.format("delivered"): 8.0,
        ENERGY.format("received"): 4.0,
        ENERGY.format("none"): 1.0,
        f"{ENERGY.format('delivered')}/E77": 1.0,
    }
    other = table("register,kWh", "E17,1.0", "D07,0.5")
    assert sums(other) == {ENERGY.format("delivered"): 12.0, f"{ENERGY.format('delivered')}/D07": 6.0}


@pytest.mark.parametrize(("unit", "code"), [("kwh", ENERGY), ("kw", POWER)])
@pytest.mark.parametrize("order", [("import", "export", "net"), ("net", "export", "import")])
def test_net_beside_both_directions_is_a_series_of_its_own(unit: str, code: str, order: tuple[str, ...]) -> None:
    values = {"import": 1.0, "export": 0.4, "net": 0.6}
    found = table(",".join(f"{name}_{unit}" for name in order), ",".join(str(values[name]) for name in order))
    told = {"delivered": 24.0, "received": 9.6, "net": 14.4}
    assert sums(found) == {code.format(flow): value for flow, value in told.items()}


def test_net_power_beside_power_without_a_direction_replaces_none_of_it() -> None:
    net = POWER.format("net")
    assert sums(table("power_kw,net_kw", "1.0,0.6")) == {net: 24.0, f"{net}/net_kw": 14.4}


@pytest.mark.parametrize("kind", ["kwh", "power_kw"])
def test_a_column_of_flows_is_read_as_in_messages(kind: str) -> None:
    words = {"delivered": 1.0, "received": 0.4, "Net": 0.6, "import": 1.0, "export": 0.4}
    code = POWER if kind == "power_kw" else ENERGY
    lines = [f"U,{at},{value},{word}" for at in HOURS for word, value in words.items()]
    found = sums(read("\n".join([f"usage_point,start,{kind},flow", *lines, ""])))
    assert found == {code.format("delivered"): 48.0, code.format("received"): 19.2, code.format("net"): 14.4}


@pytest.mark.parametrize("word", sorted(set(FLOWS) - {"none"}))
def test_files_know_each_flow_that_messages_know(word: str) -> None:
    assert flow_of_register(word) is meaning_of(Said(flow=word, interval_s=900)).reading_type.flow


@pytest.mark.parametrize(
    ("code", "flow"),
    [
        ("N1", Flow.NET),
        ("1-0:16.8.0*255", Flow.NET),
        ("Saldo", Flow.NET),
        ("1-0:1.8.0", Flow.DELIVERED),
        ("4", None),
        ("N", None),
        ("internet", None),
    ],
)
def test_a_register_code_tells_net(code: str, flow: Flow | None) -> None:
    assert flow_of_register(code) is flow


@pytest.mark.parametrize(
    ("name", "flow"),
    [
        ("net_consumption_kwh", Flow.NET),
        ("net_import_kwh", Flow.NET),
        ("Saldo [kWh]", Flow.NET),
        ("net_export_kwh", Flow.RECEIVED),
        ("Net Generation (kWh)", Flow.RECEIVED),
        ("net metering import kWh", Flow.DELIVERED),
        ("network_kwh", None),
        ("pv_net_kwh", None),
        ("battery net kWh", None),
    ],
)
def test_the_name_of_a_column_tells_net_of_the_whole_usage_alone(name: str, flow: Flow | None) -> None:
    assert meaning_of_name(name).flow is flow
