"""Columns of volts, amperes, hertz, degrees and states: read as what their names say, and never taken for energy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from gridwright.domain.errors import AmbiguousInput, UnreadableFile, UsageError
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import TEMPERATURE, VOLTAGE, Accumulation
from gridwright.formats.registry import writer_named
from tests.unit.formats.csv_reading import Read, read
from tests.unit.formats.test_parquet import read as read_parquet
from tests.unit.formats.test_parquet import written

START = datetime(2025, 3, 1, tzinfo=UTC)
VOLTS, AMPERES = "electricity/none/voltage/instantaneous/-1", "electricity/none/current/instantaneous/-2"
HERTZ, FACTOR = "electricity/none/frequency/instantaneous/-3", "electricity/none/power-factor/instantaneous/-3"
DEGREES, ENERGY = "electricity/none/temperature/instantaneous/-2", "electricity/delivered/energy/delta/0"


def table(columns: str, *values: str) -> str:
    """Return a day of quarter hours; columns without a value of their own hold one that changes."""
    lines = [f"usage_point,timestamp,{columns}"]
    for slot in range(96):
        cells = values or [f"{230 + slot % 3}.{slot % 10}" for _ in columns.split(",")]
        lines.append(f"A,{START + timedelta(minutes=15 * slot):%Y-%m-%d %H:%M},{','.join(cells)}")
    return "\n".join([*lines, ""])


def types(found: Read) -> list[str]:
    return [series.reading_type.code for piece in found.pieces for series in piece.series]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *(
            (name, VOLTS)
            for name in ("voltage", "voltage_v", "Voltage (V)", "Voltage [V]", "VoltageV", "Spannung", "RMS Voltage")
        ),
        *((name, f"{VOLTS}/L1") for name in ("voltage_l1", "VoltageL1", "Spannung L1 (V)", "phase_a_voltage")),
        *((name, AMPERES) for name in ("current", "current_a", "Current [A]", "Strom (A)", "current_amps")),
        ("current_l3", f"{AMPERES}/L3"),
        *((name, HERTZ) for name in ("frequency", "frequency_hz", "freq", "hz", "Netzfrequenz")),
        *((name, FACTOR) for name in ("power_factor", "PowerFactor", "pf", "cos_phi")),
        ("power_factor_l2", f"{FACTOR}/L2"),
        *((name, DEGREES) for name in ("temperature", "temperature_c", "temp_c", "Temperature (°C)", "Temperatur")),
        ("state", "electricity/none/state/instantaneous/-3"),
        ("PowerW", "electricity/net/power/instantaneous/-3"),
        ("volume_m3", "electricity/none/volume/delta/-3"),
        ("battery_voltage", f"{VOLTS}/battery"),
    ],
)
def test_a_name_tells_the_reading_type(name: str, code: str) -> None:
    found = read(table(name))
    assert types(found) == [code]
    assert found.only.value[1] == round(231.1 * 10 ** -int(code.split("/")[4]))
    assert "says so" in next(each.because for each in found.dialect.evidence if each.what.startswith("unit of"))


def test_sensors_stand_beside_energy_and_weather_without_a_unit_does_not() -> None:
    found = read(
        table("kwh,voltage_l1,voltage_l2,temperature,humidity,temperature_c", "0.5", "230.1", "231.2", "7", "80", "6.5")
    )
    assert types(found) == [ENERGY, f"{VOLTS}/L1", f"{VOLTS}/L2", DEGREES]
    assert found.told("columns ignored") == "temperature, humidity"


def test_two_columns_of_one_quantity_stay_apart() -> None:
    assert types(read(table("avg_voltage,voltage_rms"))) == [VOLTS, f"{VOLTS}/voltage_rms"]


@pytest.mark.parametrize(
    "name",
    [
        "humidity",
        "temperature_f",
        "voltage_level",
        "thd_voltage",
        "volume",
        "gas_ccf",
        "energy_mj",
        "power_kva",
        "apparent_power",
        "neutral_current",
        "water_l",
        "energy_j",
        "load_%",
    ],
)
def test_what_we_have_no_type_for_is_never_energy(name: str) -> None:
    with pytest.raises(UnreadableFile, match=rf"no column holds readings.*{name}.*--unit.*kWh.*°C"):
        read(table(name))
    assert read(table(f"kwh,{name}")).told("columns ignored") == name
    with pytest.raises(AmbiguousInput, match=rf"unit of column '{name}'.*--unit"):
        read(table(name), columns={"value": name})
    assert types(read(table(name), columns={"value": name}, unit="kWh")) == [ENERGY]


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        ("power", "731.5", "W"),
        ("Global_active_power", "4.216", "kW"),
        ("power", "8", "W"),
        ("Leistung", "1200", "W"),
        ("reactive_power", "0.418", "kvar"),
        ("import_power", "4.216", "kW"),
        ("export_power", "731.5", "W"),
        ("grid_power_export", "731.5", "W"),
        ("Einspeiseleistung", "1200", "W"),
        ("reactive_import_power", "0.418", "kvar"),
    ],
)
def test_power_without_a_unit_is_power(name: str, value: str, unit: str) -> None:
    found = read(table(name, value))
    kind = found.only.reading_type
    assert (kind.accumulation, kind.unit) == (Accumulation.INSTANTANEOUS, unit.removeprefix("k"))
    assert found.told(f"unit of {name}") == unit
    flow = "received" if is_fed_in(name) else "delivered"
    assert types(read(table(name, value), kind="interval"))[0].startswith(f"electricity/{flow}/energy/delta")


def is_fed_in(name: str) -> bool:
    return "export" in name or "Einspeise" in name


@pytest.mark.parametrize(
    ("drawn", "fed_in"),
    [("import_power", "export_power"), ("import_kw", "export_kw"), ("power_kw", "feed_in_kw"), ("usage_w", "export_w")],
)
def test_what_is_drawn_and_fed_in_are_two_series_of_power(drawn: str, fed_in: str) -> None:
    """Read as one, each value of the first column was replaced by that of the second."""
    rows = "".join(f"2025-03-01 {hour:02d}:00,{hour * 7 % 11}.5,{hour * 5 % 7}.25\n" for hour in range(24))
    found = read(f"time,{drawn},{fed_in}\n{rows}")
    series = {str(each.reading_type.flow): each.value[:2].tolist() for piece in found.pieces for each in piece.series}
    assert {flow: values[1] / values[0] for flow, values in series.items()} == {"net": 15.0, "received": 21.0}


@pytest.mark.parametrize(("sign", "flow"), [("", "received"), ("-", "net")])
def test_power_that_is_called_fed_in_and_is_below_zero_has_its_sign(sign: str, flow: str) -> None:
    rows = "".join(f"2025-03-01 {hour:02d}:00,{sign if hour % 5 else ''}{hour * 5 % 7}.25\n" for hour in range(24))
    assert str(read(f"time,export_kw\n{rows}").only.reading_type.flow) == flow


@pytest.mark.parametrize(
    "name", ["value", "power_consumption", "low_voltage_consumption", "current_month_usage", "kwh_l1", "Load"]
)
def test_what_only_sounds_like_a_sensor_is_energy(name: str) -> None:
    assert types(read(table(name))) == [ENERGY]


@pytest.mark.parametrize(
    ("unit", "code", "count"),
    [
        ("V", VOLTS, 2311),
        ("kV", VOLTS, 2_311_000),
        ("A", AMPERES, 23_110),
        ("Hz", HERTZ, 231_100),
        ("pf", FACTOR, 231_100),
        ("°C", DEGREES, 23_110),
    ],
)
def test_a_given_unit_tells_it_of_any_column_long_or_wide(unit: str, code: str, count: int) -> None:
    found = read(table("value"), unit=unit)
    assert (types(found), found.only.value[1]) == ([code], count)
    head = ",".join(f"{slot // 4:02d}:{slot % 4 * 15:02d}" for slot in range(96))
    rows = "".join(f"A,2025-03-0{day},{','.join(['231.1'] * 96)}\n" for day in (1, 2, 3))
    wide = read(f"usage_point,date,{head}\n{rows}", unit=unit)
    assert (types(wide), wide.only.value[1]) == ([code], count)


def test_an_unknown_unit_is_told_with_all_that_are_known() -> None:
    with pytest.raises(UsageError, match=r"'furlong' is no unit.*kWh.*V, kV, A.*°C"):
        read(table("value"), unit="furlong")


def test_a_wide_table_may_name_the_quantity_in_its_columns() -> None:
    head = ",".join(f"Voltage (V) {hour:02d}:00" for hour in range(24))
    rows = "".join(f"A,2025-03-0{day},{','.join(['231.1'] * 24)}\n" for day in (1, 2, 3))
    assert types(read(f"usage_point,date,{head}\n{rows}")) == [VOLTS]


@pytest.mark.parametrize("options", [{"unit": "Wh"}, {"kind": "interval"}])
def test_what_is_given_for_the_energy_of_a_file_leaves_its_volts_alone(options: dict[str, str]) -> None:
    energy, volts = types(read(table("kwh,voltage"), **options))
    assert (energy.rsplit("/", 1)[0], volts) == ("electricity/delivered/energy/delta", VOLTS)


def test_a_unit_column_beside_energy_and_volts_is_about_the_energy() -> None:
    assert types(read(table("energy,voltage,unit", "0.5", "230.4", "kWh"))) == [ENERGY, VOLTS]


def test_rows_of_volts_take_neither_direction_nor_digits_from_rows_of_energy() -> None:
    text = table("value,unit", "230.4", "V")
    lines = [
        line.replace(",230.4,V", ",0.5,kWh") if place % 2 == 0 else line for place, line in enumerate(text.split("\n"))
    ]
    assert sorted(types(read("\n".join(lines)))) == [ENERGY, VOLTS]


def test_parquet_names_tell_it_too() -> None:
    stamps = pa.array([START + timedelta(minutes=15 * slot) for slot in range(96)])
    volts = pa.array(np.full(96, 230.4))
    (piece,) = read_parquet(written({"usage_point": ["A"] * 96, "timestamp": stamps, "voltage_l1": volts}))
    assert [(one.reading_type.code, one.value[0]) for one in piece.series] == [(f"{VOLTS}/L1", 2304)]


@pytest.mark.parametrize("kind", [VOLTAGE, TEMPERATURE])
def test_what_is_exported_comes_back(kind: object) -> None:
    panel = Panel(("A",), START, timedelta(minutes=15), np.arange(96.0)[None, :] - 9, reading_type=kind)  # type: ignore[arg-type]
    back = read(b"".join(writer_named("csv").write([panel], [], {})))
    assert back.only.reading_type == kind
    assert back.only.value.tolist() == panel.values[0].tolist()
