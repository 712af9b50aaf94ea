"""The main job on real files: what a report says against the numbers of their provenance, or a plain count."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridwright.documents.report_data import ReportData
from gridwright.domain.errors import InputError, UnreadableFile
from gridwright.formats.source import ReadOptions
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.read_file import read_file
from gridwright.jobs.outlook.make_report import ReportRequest, make_report

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Reported = Callable[..., ReportData]


@pytest.fixture
def reported(shared_data: Path) -> Reported:
    def report(name: str, **options: Any) -> ReportData:  # noqa: ANN401 - any reading option
        request = ReportRequest((shared_data / name,), ReadOptions(**options), SiteDefaults(), NOW, "test")
        return make_report(request)

    return report


def counted(path: Path) -> tuple[int, float]:
    """Count the numbers of the third column and add them up, as plainly as can be."""
    values = [row[2].strip() for row in csv.reader(path.read_text("utf-8").splitlines()[1:])]
    numbers = [float(value) for value in values if value != "Null"]
    return len(numbers), sum(numbers)


# file → half-hours that the provenance says are missing
HOMES = {
    "MAC000002.csv": [],
    "MAC000003.csv": ["2013-03-26T21:30", "2013-05-08T05:30"],
    "MAC000009.csv": [f"2013-06-16T{slot // 2}:{slot % 2 * 30:02d}" for slot in range(34, 43)],
}


@pytest.mark.parametrize("name", HOMES)
def test_a_london_home(reported: Reported, shared_data: Path, name: str) -> None:
    data = reported(f"lcl_london/raw/{name}")
    (intake,), (point,) = data.intakes, data.points
    count, total = counted(shared_data / "lcl_london/raw" / name)
    assert (intake.records, intake.accepted, intake.rejected, intake.repeated) == (count, count, 0, 0)
    assert point.raw.total_kwh()[0] == pytest.approx(total, abs=0.01)
    gaps = np.flatnonzero(np.isnan(point.raw.values[0]))
    assert [f"{point.raw.start + slot * point.raw.interval:%Y-%m-%dT%H:%M}" for slot in gaps.tolist()] == HOMES[name]
    assert not point.trusted.missing.any()
    assert sum(float(bill.energy_kwh) for bill in point.bills) == pytest.approx(point.trusted.total_kwh()[0], abs=0.01)


def test_a_home_with_defects(reported: Reported, shared_data: Path) -> None:
    name = "lcl_london/raw/MAC000002_2012_2013_with_defects.csv"
    data = reported(name)
    (intake,), (point,) = data.intakes, data.points
    count, _ = counted(shared_data / name)
    assert (intake.records, intake.accepted, intake.repeated) == (18_442, count - 13, 13)
    (stray,) = intake.rejects
    assert (stray.line, stray.value) == (3_242, "2012-12-19 12:37:27.0000000")
    assert int(np.isnan(point.raw.values).sum()) == 51
    assert point.usage_point.zone == "UTC"


def test_registers_close_their_gap_without_a_spike(reported: Reported) -> None:
    data = reported("opsd_household/household_data_60min_singleindex.csv")
    (intake,), (point,) = data.intakes, data.points
    assert (intake.records, intake.rejected, point.usage_point.zone) == (11_867, 0, "Europe/Berlin")
    start = datetime(2016, 4, 22, 14, tzinfo=UTC)
    first = (start - point.trusted.start) // point.trusted.interval
    gap = slice(first, first + 55)
    assert np.isnan(point.raw.values[0, gap]).sum() == 55
    # The registers went from 2,893.19 to 2,910.33 kWh over the gap: that, and no catch-up, is what the gap holds.
    known = point.raw.kwh[0, first - 1]
    assert np.isfinite(known)
    assert point.trusted.kwh[0, gap].sum() == pytest.approx(2910.33 - 2893.19, abs=0.05)
    assert point.trusted.kwh[0, gap].max() < 3
    assert point.received is not None
    assert point.received.total_kwh()[0] == pytest.approx(9_563.098, abs=0.01)


def test_a_prosumer_feeder_in_megawatts(reported: Reported) -> None:
    (point,) = reported("openstef_nl/307-train-data.csv", unit="MW").points
    assert point.received is not None
    net = point.raw.total_kwh()[0] - point.received.total_kwh()[0]
    # Two quarter-hours are absent; in the received energy they are estimated.
    assert net / (7_394 * 0.25 * 1000) == pytest.approx(1.5536, abs=0.001)
    assert int(np.isnan(point.raw.values).sum()) == 2


def test_a_signed_column_is_net_energy_even_without_a_unit(reported: Reported) -> None:
    (point,) = reported("openstef_nl/307-train-data.csv").points
    assert point.received is not None
    assert (point.raw.values[0, np.isfinite(point.raw.values[0])] >= 0).all()


def test_the_load_of_new_england(reported: Reported) -> None:
    data = reported("isone/isone.parquet", unit="MW")
    (intake,), (point,) = data.intakes, data.points
    assert (intake.records, intake.accepted) == (77_472, 77_472)
    assert point.raw.kwh.min() == 8_101_000
    assert point.raw.kwh.max() == 27_622_000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("il-electricity-cdd-hdd-daily", "21,925.830 kWh delivered in 809 daily values, 2015-11-22 … 2018-02-08"),
        ("il-electricity-cdd-hdd-billing_monthly", "21,290.170 kWh delivered in 26 periods"),
        ("il-electricity-cdd-only-daily", "19,565.650 kWh delivered in 809 daily values"),
        ("il-electricity-cdd-only-billing_monthly", "19,525.530 kWh delivered in 26 periods"),
    ],
)
def test_days_and_billing_periods_are_added_up(reported: Reported, name: str, text: str) -> None:
    data = reported(f"eemeter/{name}.csv.gz")
    assert data.points == ()
    assert data.intakes[0].rejected == 0
    assert any(note.startswith(f"{name}: {text}") for note in data.notes), data.notes


@pytest.mark.parametrize(
    ("name", "delivered", "received"),
    [
        # E1 for one day, then a new meter with E2 and B2 for two.
        ("NEM12#NEM1210185Scenario10#GLOBALM#NEMMCO.ZIP", 960.0 + 1962.624, 2005.248),
        # E1 for two days, E2 and B2 from the second: the day of both is their sum.
        ("NEM12#NEM1210185Scenario10v4#GLOBALM#NEMMCO.ZIP", 1510.0 + 1379.97, 1409.94),
    ],
)
def test_channels_count_for_their_own_time(reported: Reported, name: str, delivered: float, received: float) -> None:
    (point,) = reported(f"interchange/nem12_nem13/nem12/{name}").points
    assert point.raw.total_kwh()[0] == pytest.approx(delivered, abs=1e-6)
    assert point.trusted.total_kwh()[0] == pytest.approx(delivered, abs=1e-6)
    assert point.received is not None
    assert point.received.total_kwh()[0] == pytest.approx(received, abs=1e-6)


def test_register_reads_alone_are_answered(reported: Reported, shared_data: Path) -> None:
    folder = shared_data / "interchange/nem12_nem13/nem13"
    data = reported(str(min(folder.iterdir()).relative_to(shared_data)))
    assert data.points == ()
    assert any("register reads" in note for note in data.notes)


def test_stamps_of_a_standard_time_meter(shared_data: Path) -> None:
    collected = read_file(shared_data / "sgsc_australia/sgsc_hh.parquet")
    intake = collected.intake
    # 66 stamps come twice; each row has two columns that are not zero throughout.
    assert (intake.records, intake.rejected, intake.repeated + intake.conflicting) == (1_496_532, 0, 2 * 66)
    supply = [panel for panel in collected.panels if panel.reading_type.channel == ""]
    points = {point for panel in supply for point in panel.points}
    assert len(points) == 71
    lost = sum(float(one.value.split()[0]) for one in intake.rejects if one.reason.startswith("conflict:"))
    assert sum(float(panel.total_kwh().sum()) for panel in supply) == pytest.approx(340_826, abs=1 + lost / 1000)
    (zone,) = [one for one in intake.evidence if one.what == "zone"]
    assert "2012-10-07" in zone.because
    assert "Australia/Sydney" in zone.because


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("citylearn_2022/Building_1.csv", UnreadableFile, "no column tells the date"),
        ("citylearn_2022/pricing.csv", InputError, "electricity_pricing"),
        ("epf/epf_5markets.parquet", InputError, "several columns may hold the readings: dnn_ensemble, lear_ensemble"),
        ("epf/epex_de_da_price.parquet", UnreadableFile, "no column holds readings"),
        ("lcl_london/dtou_tariff_2013_hh.parquet", UnreadableFile, "no column holds readings"),
        ("eemeter/il-tempF.csv.gz", UnreadableFile, "no column holds readings"),
        ("eemeter/uk-tempC-sample-0.csv.gz", UnreadableFile, "no column holds readings"),
        ("lcl_london/weather_hourly_darksky.csv", UnreadableFile, "no column holds readings"),
        ("lcl_london/weather_hourly_london_2012_2014.parquet", UnreadableFile, "no column holds readings"),
        ("interchange/nem12_nem13/invalid/Example_NEM12_empty.csv", UnreadableFile, "no 200 or 250 record"),
        ("interchange/nem12_nem13/invalid/Example_empty_file.csv", UnreadableFile, "empty"),
    ],
)
def test_what_holds_no_readings_is_refused(reported: Reported, name: str, error: type[InputError], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        reported(name)
    assert caught.value.remedy
    assert caught.value.where


def test_every_mscons_message_is_a_day_of_quarter_hours(reported: Reported, shared_data: Path) -> None:
    messages = [path for path in (shared_data / "interchange/mscons").iterdir() if path.read_bytes()[:3] == b"UNB"]
    assert messages
    for path in messages:
        (intake,) = reported(str(path.relative_to(shared_data))).intakes
        assert (intake.accepted, intake.rejected) == (path.read_bytes().count(b"'QTY+"), 0)
        assert intake.accepted == 96
