"""V02 by what sources say: another meter, another multiplier, more digits than the registry knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.finding import Finding
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.store import Store, open_store
from tests.unit.formats.test_cim_xml import a_message, a_meter, a_reading

DAY = timedelta(days=1)
NOW = datetime(2025, 4, 1, tzinfo=UTC)
SINCE = datetime(2024, 1, 1, tzinfo=UTC)
# Market time: the day of the 4th begins on the 3rd at 14 h UTC.
FIRST = datetime(2025, 2, 28, 14, tzinfo=UTC)


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        yield opened


def hang(store: Store, point: str, serial: str, multiplier: str = "1", **more: int) -> None:
    store.registry.save_points(ME, [UsagePoint(point, "Australia/Brisbane", "commercial", capacity_kw=500.0)])
    store.registry.save_meter(ME, Meter(serial, **more))  # type: ignore[arg-type] # digits and steps
    store.registry.save_installation(ME, install(point, serial, SINCE, Decimal(multiplier)))


def nem12(tmp_path: Path, *serials: str, days: int = 8) -> Path:
    """Write days of a channel each for each serial: E1, E2 ..."""
    lines = ["100,NEM12,202503050000,MDP,RET"]
    for number, serial in enumerate(serials, 1):
        lines.append(f"200,NMI0000001,E1E2,E{number},E{number},,{serial},kWh,30,")
        for day in range(1, days + 1):
            values = ",".join(f"{0.4 + (slot * 7 + day) % 11 / 50:.2f}" for slot in range(48))
            lines.append(f"300,202503{day:02d},{values},A,,,20250310010000,")
    path = tmp_path / f"{'-'.join(serials)}.csv"
    path.write_text("\n".join([*lines, "900", ""]), encoding="utf-8")
    return path


def long_table(column: str, told: str) -> str:
    """Two days of hours, a row each, and a column about the meter."""
    stamps = [datetime(2025, 3, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(48)]
    rows = [f"P-9;{at.isoformat()};{told};1.{at.hour:02d}" for at in stamps]
    return "\n".join([f"meter;start;{column};kWh", *rows])


def wide_table(column: str, told: str) -> str:
    """The same with a row a day."""
    hours = ";".join(f"{hour:02d}:00" for hour in range(24))
    values = ";".join(f"1.{hour:02d}" for hour in range(24))
    rows = [f"P-9;2025-03-0{day};{told};{values}" for day in (1, 2)]
    return "\n".join([f"meter;date;{column};{hours}", *rows])


def doubts(store: Store, point: str = "NMI0000001") -> list[Finding]:
    correct(store, ME, SiteDefaults(), now=NOW)
    return [each for each in store.findings.load(ME, [point]) if each.code == "V02_ident"]


def test_a_file_that_names_another_meter_is_not_believed_until_the_exchange_is_recorded(
    store: Store, tmp_path: Path
) -> None:
    hang(store, "NMI0000001", "OLD-1")
    path = nem12(tmp_path, "NEW-2")
    ingest_file(store, ME, path, known_at=NOW)
    (finding,) = doubts(store)
    assert "end device NEW-2, installed is OLD-1" in finding.message
    assert finding.period == Interval(FIRST, FIRST + 8 * DAY)
    exchange_meter(store, ME, MeterExchange("NMI0000001", Meter("NEW-2"), FIRST), now=NOW)
    assert doubts(store) == []
    kind = finding.reading_type
    final = store.readings.load(
        ME, "NMI0000001", Interval(FIRST, FIRST + 8 * DAY), reading_type=kind, image=Image.FINAL
    )
    assert q.has_status(final.quality, q.TRUSTED).all()


@pytest.mark.parametrize("serials", [("1234",), (" 001234",), ("9999", "1234")])
def test_the_same_meter_written_otherwise_or_beside_another_is_no_doubt(
    store: Store, tmp_path: Path, serials: tuple[str, ...]
) -> None:
    hang(store, "NMI0000001", "01234")
    ingest_file(store, ME, nem12(tmp_path, *serials), known_at=NOW)
    assert doubts(store) == []


def test_what_nobody_has_installed_contradicts_nothing(store: Store, tmp_path: Path) -> None:
    ingest_file(store, ME, nem12(tmp_path, "NEW-2"), known_at=NOW)
    assert doubts(store) == []
    assert store.outlooks.several(ME, "told-configuration") == []


def test_the_file_again_says_nothing_new(store: Store, tmp_path: Path) -> None:
    hang(store, "NMI0000001", "OLD-1")
    for days in (8, 8, 4):
        ingest_file(store, ME, nem12(tmp_path, "NEW-2", days=days), known_at=NOW)
        assert len(doubts(store)) == 1


@pytest.mark.parametrize(
    ("constant", "installed", "wrong"), [("40", "1", True), ("40", "40", False), ("", "40", False), ("1", "40", False)]
)
def test_the_constant_of_cmep_is_compared_with_the_transformers(
    store: Store, tmp_path: Path, constant: str, installed: str, wrong: bool
) -> None:
    hang(store, "M-7", "M-7", installed)
    head = f"MEPMD01,20080501,SYS,UTIL:1,42,M-7,202503100000,M-7,OK,E,KWH,{constant},00000100,48"
    stamps = [datetime(2025, 3, 1, tzinfo=UTC) + timedelta(hours=hour + 1) for hour in range(48)]
    triplets = ",".join(f"{at:%Y%m%d%H%M},,{1 + at.hour % 5}" for at in stamps)
    path = tmp_path / "a.cmep"
    path.write_text(f"{head},{triplets}\n", encoding="utf-8")
    ingest_file(store, ME, path, known_at=NOW)
    found = doubts(store, "M-7")
    assert bool(found) is wrong
    assert all("multiplier 40, installed is 1" in each.message for each in found)


@pytest.mark.parametrize(("installed", "wrong"), [("M1", False), ("M2", True)])
def test_the_meter_that_cim_names_beside_the_usage_point_is_compared(
    store: Store, tmp_path: Path, installed: str, wrong: bool
) -> None:
    hang(store, "P-9", installed)
    stamps = [datetime(2025, 3, 1, tzinfo=UTC) + timedelta(minutes=15 * slot) for slot in range(1, 97)]
    readings = "".join(a_reading(at.isoformat(), at.hour / 100) for at in stamps)
    point = "<UsagePoint><mRID>P-9</mRID></UsagePoint>"
    path = tmp_path / "a.xml"
    path.write_bytes(a_message(a_meter(readings, meter="M1", more=point)))
    ingest_file(store, ME, path, known_at=NOW)
    found = doubts(store, "P-9")
    assert bool(found) is wrong
    assert all("end device M1, installed is M2" in each.message for each in found)


@pytest.mark.parametrize(
    ("column", "told", "says"),
    [
        ("multiplier", "40", "multiplier 40, installed is 20"),
        ("CT ratio", "20", ""),
        ("multiplier", "20,0", ""),
        ("dials", "5", "dials 5, installed is 6"),
        ("dials", "6", ""),
        ("multiplier", "", ""),
        ("dials", "six", ""),
    ],
)
@pytest.mark.parametrize("table", [long_table, wide_table])
def test_columns_of_a_table_are_compared(
    store: Store, tmp_path: Path, table: Callable[[str, str], str], column: str, told: str, *, says: str
) -> None:
    hang(store, "P-9", "M-9", "20", dials=6, lsb_wh=1000)
    text = table(column, told)
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    done = ingest_file(store, ME, path, known_at=NOW)
    assert done.new == 48
    found = doubts(store, "P-9")
    assert bool(found) is bool(says)
    assert all(says in each.message for each in found)


@pytest.mark.parametrize(("dials", "wrong"), [(5, True), (6, False)])
def test_a_register_that_shows_more_digits_is_another(store: Store, tmp_path: Path, dials: int, wrong: bool) -> None:
    hang(store, "NMI0000001", "OLD-1", dials=dials, lsb_wh=1000)
    ingest_file(store, ME, nem12(tmp_path, "OLD-1"), known_at=NOW)
    for day, kwh in ((1, 123_456), (3, 123_500)):
        read = RegisterReading("NMI0000001", FIRST + day * DAY, kwh * 1000.0, "OLD-1")
        store.registers.save(ME, [read], known_at=NOW)
    found = doubts(store)
    assert bool(found) is wrong
    assert all("dials 6, installed is 5" in each.message for each in found)
