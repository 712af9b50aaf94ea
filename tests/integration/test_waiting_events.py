"""Events of meters and usage points that nobody knows: they wait, are told, and move in with a claim."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied, NotFound
from gridwright.domain.event import POWER_OFF, POWER_ON, EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.formats.source import Decoded
from gridwright.jobs.files.hung_meters import hung_meters
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.files.keep_events import EventKeeper
from gridwright.jobs.meters.claim_meter import claim_in_portions
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.meters.preview_claim import preview_claim
from gridwright.jobs.meters.waiting_meters import drop_waiting, waiting_meter, waiting_meters
from gridwright.store import Store, open_store
from tests.integration.command_line import Run, commands
from tests.unit.formats.test_cim_events import a_list, an_event, detail
from tests.unit.formats.test_cim_xml import a_message, a_meter
from tests.unit.formats.test_marked import FIRST, quarters

T0 = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = T0 + timedelta(days=30)


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        yield opened


def off(device: str, at: datetime = T0, point: str = "", kind: str = POWER_OFF) -> EndDeviceEvent:
    return EndDeviceEvent(device, kind, at, NOW, point)


def wait(store: Store, *events: EndDeviceEvent) -> None:
    store.devices.save_events(ME, events)


def of_point(store: Store, point: str) -> list[tuple[str, datetime]]:
    return [(each.end_device, each.at) for each in store.devices.events(ME, point=point)]


def test_events_alone_are_claimed_and_hang_their_meter(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("UP1", "UTC")])
    wait(store, off("M9"), off("M9", T0 + HOUR, kind=POWER_ON), off("M8"))
    assert [(each.meter, each.readings, each.events) for each in waiting_meters(store, ME)] == [
        ("M8", 0, 1),
        ("M9", 0, 2),
    ]
    claim = MeterClaim("M9", "UP1")
    seen = preview_claim(store, ME, claim, now=NOW)
    assert (seen.waiting, seen.new, "2 events moved in" in seen.notes) == (0, True, True)
    assert of_point(store, "UP1") == []
    done = claim_in_portions(store, ME, claim, now=NOW)
    assert "2 events moved in" in done.notes
    assert of_point(store, "UP1") == [("M9", T0 + HOUR), ("M9", T0)]
    assert [each.end_device for each in store.registry.installations(ME, "UP1")] == ["M9"]
    assert [each.meter for each in waiting_meters(store, ME)] == ["M8"]


def test_events_of_before_the_installation_go_on_waiting(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("UP1", "UTC")])
    store.quarantine.save(ME, [QuarantinedReading("M9", T0, 1.0, 900)], received=NOW)
    wait(store, off("M9", T0 - HOUR), off("M9", T0 + HOUR))
    assert waiting_meter(store, ME, "M9", within=Interval(T0, NOW)).events == 1  # type: ignore[union-attr]
    done = claim_in_portions(store, ME, MeterClaim("M9", "UP1"), now=NOW)
    assert "1 events from outside the installation go on waiting" in done.notes
    assert of_point(store, "UP1") == [("M9", T0 + HOUR)]
    assert [(each.meter, each.readings, each.events) for each in waiting_meters(store, ME)] == [("M9", 0, 1)]


def test_a_claim_judges_the_days_of_its_events_again(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(a_message(a_meter(quarters(*[("1.0.0",)] * 8), more="<UsagePoint><mRID>UP1</mRID></UsagePoint>")))
    ingest_file(store, ME, path, known_at=NOW)
    store.dirty.clear(ME, store.dirty.ranges(ME))
    wait(store, off("M9", FIRST, kind="3.36.114.24"))
    assert store.dirty.count(ME, 100) == 0
    assert store.waiting_events.claim(ME, "M9", "UP1") == 1
    assert [each.usage_point for each in store.dirty.ranges(ME)] == ["UP1"]


def test_what_was_sent_under_the_usage_points_own_id_is_its_own(store: Store) -> None:
    wait(store, off("M1", point=""), replace(off("M2"), details={"usage_point": "UP_1"}), off("UP_1"))
    wait(store, replace(off("M3"), details={"usage_point": "UPX1"}))
    store.registry.save_points(ME, [UsagePoint("UP_1", "UTC")])
    claim_in_portions(store, ME, MeterClaim("UP_1", "UP_1"), now=NOW)
    assert {device for device, _ in of_point(store, "UP_1")} == {"M2", "UP_1"}
    assert {each.meter for each in waiting_meters(store, ME)} == {"M1", "M3"}


def test_told_once_more_with_a_usage_point_it_waits_no_longer(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("UP1", "UTC")])
    wait(store, off("M9"))
    assert store.devices.save_events(ME, [off("M9", point="UP1")]) == 1
    assert store.devices.save_events(ME, [off("M9", point="UP1")]) == 0
    assert of_point(store, "UP1") == [("M9", T0)]
    assert waiting_meters(store, ME) == []


def test_what_is_let_go_waits_no_more_and_stays_on_record(store: Store) -> None:
    wait(store, off("M9"))
    assert drop_waiting(store, ME, "M9", reason="a test bench") == (0, 1)
    assert waiting_meters(store, ME) == []
    assert [each.end_device for each in store.devices.events(ME)] == ["M9"]
    with pytest.raises(NotFound, match="'M9'"):
        drop_waiting(store, ME, "M9", reason="again")
    with pytest.raises(NotFound, match="'M9'"):
        claim_in_portions(store, ME, MeterClaim("M9", "M9"), now=NOW)


def test_readings_that_do_not_fit_leave_their_events_waiting(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("UP1", "UTC")])
    store.quarantine.save(ME, [QuarantinedReading("M9", T0, 1.0, 900)], received=NOW)
    wait(store, off("M9", T0 + HOUR))
    assert len(store.waiting_events.of(ME, "M9")) == 1
    with pytest.raises(NotFound):
        claim_in_portions(store, ME, MeterClaim("M9", "nobody"), now=NOW)
    assert len(store.waiting_events.of(ME, "M9")) == 1


def test_nobody_of_few_usage_points_sees_or_claims_them(store: Store) -> None:
    few = Access("few", Role.ADMIN, frozenset({"UP1"}))
    for ask in (
        lambda: store.waiting_events.devices(few),
        lambda: store.waiting_events.of(few, "M9"),
        lambda: store.waiting_events.claim(few, "M9", "UP1"),
        lambda: store.waiting_events.drop(few, "M9", reason="r"),
    ):
        with pytest.raises(AccessDenied):
            ask()


def test_what_is_said_of_readings_that_wait_moves_in_with_them(store: Store, tmp_path: Path) -> None:
    """The readings of a meter that hung nowhere then waited and were claimed; what they said of it stayed behind."""
    store.registry.save_points(ME, [UsagePoint("UP1", "UTC"), UsagePoint("UP2", "UTC")])
    store.registry.save_meter(ME, Meter("M1"))
    store.registry.save_installation(ME, install("UP1", "M1", FIRST + 24 * HOUR))
    path = tmp_path / "a.xml"
    path.write_bytes(a_message(a_meter(quarters(*[("1.4.9",)] * 8))))
    ingest_file(store, ME, path, known_at=NOW)
    assert [(each.meter, each.readings, each.events) for each in waiting_meters(store, ME)] == [("M1", 8, 1)]
    done = claim_in_portions(store, ME, MeterClaim("M1", "UP2", FIRST), now=NOW)
    assert (done.intervals, of_point(store, "UP2")) == (8, [("M1", FIRST)])


def test_what_is_said_of_a_usage_point_that_nobody_knows_is_not_dropped(store: Store) -> None:
    keeper = EventKeeper(store, ME, None, NOW, lambda _: False)
    kept = keeper.keep(Decoded(1, events=(off("M9", point="UP9", kind="3.36.114.24"),)))
    assert kept.waiting == {"M9": 1}
    (event,) = store.waiting_events.of(ME, "UP9")
    assert (event.end_device, event.details) == ("M9", {"usage_point": "UP9"})


def test_a_full_quarantine_refuses_by_line(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(a_list(an_event(), an_event(device="M2"), an_event(device="M3")))
    monkeypatch.setattr("gridwright.store.field.waiting_events.WaitingEventsStore.room", lambda *_: 1)
    done = ingest_file(store, ME, path, known_at=NOW)
    assert [(each.line, "quarantine is full" in each.reason) for each in done.intake.rejects] == [(3, True), (4, True)]
    assert [each.meter for each in waiting_meters(store, ME)] == ["M1"]


def test_the_room_ends(store: Store) -> None:
    wait(store, off("M1"), off("M2"))
    assert (store.waiting_events.room(ME, 3), store.waiting_events.room(ME, 1)) == (1, 0)


def test_an_outage_of_a_file_is_one_where_its_meter_hangs(store: Store, tmp_path: Path) -> None:
    """A report of power off that tells how long it lasted is an outage; one that is to end in the future is open."""
    store.registry.save_points(ME, [UsagePoint("UP1", "UTC")])
    store.registry.save_meter(ME, Meter("M1"))
    store.registry.save_installation(ME, install("UP1", "M1", T0 - 300 * HOUR))
    path = tmp_path / "a.xml"
    late = an_event("2025-03-31T00:00:00Z", more=detail("restorationTime", "2025-04-01T00:00:00Z"))
    path.write_bytes(a_list(an_event(more=detail("duration", "PT2H")), late, an_event("2031-01-01T00:00:00Z")))
    done = ingest_file(store, ME, path, known_at=NOW, not_after=NOW)
    assert (done.intake.accepted, done.intake.rejected) == (2, 1)
    assert "lies in the future" in done.intake.rejects[0].reason
    told = store.devices.events(ME, point="UP1")
    assert [(each.type, each.at) for each in told] == [
        (POWER_OFF, NOW),
        (POWER_ON, T0 + 12 * HOUR),
        (POWER_OFF, T0 + 10 * HOUR),
    ]
    again = ingest_file(store, ME, path, known_at=NOW, not_after=NOW)
    assert (again.intake.accepted, again.intake.repeated) == (0, 2)
    assert len(store.devices.events(ME, point="UP1")) == 3


def test_a_dry_run_of_events_leaves_nothing(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(a_list(an_event()))
    done = ingest_file(store, ME, path, known_at=NOW, dry_run=True)
    assert "1 event of device M1" in done.intake.notes[-1]
    assert store.devices.events(ME) == []


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in a folder with a store that knows UP1, and a file of two events of M9."""
    monkeypatch.chdir(tmp_path)
    back = an_event("2025-03-01T11:00:00Z", "3.26.0.216", "M9")
    (tmp_path / "events.xml").write_bytes(a_list(an_event(device="M9"), back))
    with open_store(f"sqlite:///{tmp_path / 'gridwright.db'}") as opened:
        opened.registry.save_points(ME, [UsagePoint("UP1", "UTC")])
    monkeypatch.setenv("GRIDWRIGHT_STORE__URL", f"sqlite:///{tmp_path / 'gridwright.db'}")
    return commands(monkeypatch, capsys)


def test_a_report_of_events_alone_says_what_they_are(run: Run) -> None:
    """It said that its records hold no value, and to ask for the readings."""
    code, _, err = run("report", "events.xml", "--out", "out")
    assert (code, "2 events of devices are in it" in err) == (1, True)


def test_events_at_the_command_line_from_import_to_claim(run: Run) -> None:
    code, out, err = run("reading", "import", "events.xml")
    assert code == 0
    assert "2 events of device M9" in out + err
    (waiting,) = json.loads(run("quarantine", "list", "--json")[1])["meters"]
    assert (waiting["meter"], waiting["readings"], waiting["events"]) == ("M9", 0, 2)
    shown = json.loads(run("quarantine", "show", "M9", "--json")[1])["events"]
    assert [each["type"] for each in shown] == [POWER_OFF, POWER_ON]
    assert "3.26.0.216" in run("quarantine", "show", "M9")[1]
    claimed = json.loads(run("quarantine", "claim", "M9", "UP1", "--yes", "--json")[1])
    assert "2 events moved in" in claimed["notes"]
    (outage,) = json.loads(run("outage", "list", "--period", "2025-03", "--json")[1])["outages"]
    assert "UP1" in json.dumps(outage)


def test_events_that_nobody_will_claim_are_let_go(run: Run) -> None:
    run("reading", "import", "events.xml")
    code, out, err = run("quarantine", "drop", "M9", "--reason", "a test bench", "--yes")
    assert (code, "0 readings and 2 events of M9 are gone" in out + err) == (0, True)
    assert json.loads(run("quarantine", "list", "--json")[1])["meters"] == []


def test_impossible_names_are_refused_by_line(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(a_list(an_event(device="x" * 200), an_event(device=".."), an_event()))
    done = ingest_file(store, ME, path, known_at=NOW)
    assert [each.line for each in done.intake.rejects] == [2, 3]
    assert [each.meter for each in waiting_meters(store, ME)] == ["M1"]


@given(st.lists(st.tuples(st.sampled_from(["A", "B", "UP1"]), st.integers(0, 5)), max_size=12))
def test_no_event_of_a_file_is_lost(tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, int]]) -> None:
    """Accepted, repeated and waiting are all that came; a claim brings what waits."""
    path = tmp_path_factory.mktemp("events") / "a.xml"
    path.write_bytes(a_list(*(an_event(f"2025-03-01T1{hour}:00:00Z", device=name) for name, hour in told)))
    with open_store("sqlite://") as store:
        store.registry.save_points(ME, [UsagePoint("UP1", "UTC")])
        if told:
            intake = ingest_file(store, ME, path, known_at=NOW).intake
            mine = sum(name == "UP1" for name, _ in told)
            assert (intake.records, intake.accepted + intake.repeated) == (len(told), mine)
        assert sum(each.events for each in waiting_meters(store, ME)) == len({one for one in told if one[0] != "UP1"})
        for name in {name for name, _ in told if name != "UP1"}:
            store.waiting_events.claim(ME, name, "UP1")
        assert len(of_point(store, "UP1")) == len(set(told))


def test_a_meter_known_elsewhere_is_placed_by_the_time_of_its_event(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("UP1", "UTC")])
    store.registry.save_meter(ME, Meter("M1"))
    store.registry.save_installation(ME, install("UP1", "M1", T0))
    hung = hung_meters(store.registry.installed(ME), {"UP1"})
    assert hung._of_place(off("M1", T0 + HOUR)).usage_point == "UP1"
    assert hung._of_place(off("M1", T0 - HOUR)).usage_point == ""
