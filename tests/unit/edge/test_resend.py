"""What a centre refused goes to it once more, exactly as it came and with the instant that it had."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import ipc
from typer.testing import CliRunner

from gridwright.api.edge.decode import FAR, Decoders, Kept
from gridwright.api.edge.wire import ClockTrust, Record
from gridwright.cli.edge import app
from gridwright.domain.errors import NotFound, StoreFull, StoreLocked
from gridwright.edge.bounds import Bounds
from gridwright.edge.buffer import Buffer
from gridwright.edge.clock import EdgeClock, Moment
from gridwright.edge.entry import to_bytes, to_record
from gridwright.edge.rejected import FILE, Rejected, read_rejected
from gridwright.edge.resend import Resent, resend
from gridwright.edge.sealing import Seals
from gridwright.settings import Settings
from tests.unit.edge.test_buffer import seals_in
from tests.unit.edge.test_forward import NOW, FakeCentre, drain

if TYPE_CHECKING:
    from pathlib import Path

CAME = NOW + 123_456
FORM = Kept("/meter_reading", "application/x-www-form-urlencoded", "", b"meter_id=M-1&reading=2.5")
TIMED = Kept("/write", "text/plain", "precision=s", b"energy,usage_point=UP-1 kwh=1 1764000000")
LATIN = Kept("/write", "text/plain", "precision=s", "energy,usage_point=Käthe kwh=1 1764000000".encode("latin-1"))
UNREADABLE = Kept("/v1/readings", "application/json", "", b"{")


def keep(folder: Path, seals: Seals, *refused: tuple[int, Kept, str]) -> None:
    kept = Rejected(folder, seals)
    for number, one, why in refused:
        record = Record(number, one.path, one.media, one.query, CAME, ClockTrust.CORRECTED, False, one.body)  # noqa: FBT003
        kept.keep("old", [(record, [{"reason": why, "field": "at"}], [])])


def send_again(folder: Path, seals: Seals, reason: str = "", limit: int = 1 << 20) -> Resent:
    with Buffer(folder, Bounds(limit, 500), seals) as buffer:
        return resend(buffer, seals, Decoders(Settings()), reason=reason)


def waiting(folder: Path, seals: Seals) -> list[Record]:
    """Return what waits, as it is sent."""
    with Buffer(folder, seals=seals) as buffer:
        piece = buffer.read(1 << 20, 1000)
        clock = EdgeClock(folder)
        return [to_record(number, payload, clock) for number, payload in piece.records] if piece else []


@pytest.mark.parametrize("sealed", [True, False])
def test_each_comes_as_it_was_with_its_instant(tmp_path: Path, *, sealed: bool) -> None:
    seals = Seals(seals_in(tmp_path).vault, seals=sealed)
    every = (FORM, TIMED, LATIN, UNREADABLE)
    keep(tmp_path, seals, *((number, one, "it lies in the future") for number, one in enumerate(every)))
    assert send_again(tmp_path, seals) == Resent(4, 0)
    assert list(read_rejected(tmp_path, seals)) == []
    found = waiting(tmp_path, seals)
    assert [Kept(one.path, one.media, one.query, one.body) for one in found] == list(every)
    assert {(one.received_us, one.clock) for one in found} == {(CAME, ClockTrust.CORRECTED)}
    assert [one.stamped for one in found] == [True, False, False, False]
    assert send_again(tmp_path, seals) == Resent(0, 0)


def test_only_those_of_a_reason(tmp_path: Path) -> None:
    seals = seals_in(tmp_path)
    keep(tmp_path, seals, (1, FORM, "it lies in the Future"), (2, TIMED, "no finite number"))
    assert send_again(tmp_path, seals, "future") == Resent(1, 1)
    assert [one.path for one in waiting(tmp_path, seals)] == [FORM.path]
    assert [one["sequence"] for one in read_rejected(tmp_path, seals)] == [2]


def test_what_a_crash_wrote_twice_goes_once_and_what_it_cut_stays(tmp_path: Path) -> None:
    seals = seals_in(tmp_path)
    keep(tmp_path, seals, (1, FORM, "future"), (1, FORM, "future"), (2, TIMED, "future"))
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"epoch": "old", "seq')
    assert send_again(tmp_path, seals) == Resent(2, 1)
    assert len(waiting(tmp_path, seals)) == 2
    assert (tmp_path / FILE).read_bytes() == b'{"epoch": "old", "seq\n'


def test_a_line_that_was_cut_costs_not_the_next_one(tmp_path: Path) -> None:
    seals = seals_in(tmp_path)
    keep(tmp_path, seals, (1, FORM, "no"), (2, TIMED, "no"))
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-9])  # the disk was full, or the power went
    keep(tmp_path, seals, (2, TIMED, "no"), (3, FORM, "no"))
    assert [told["sequence"] for told in read_rejected(tmp_path, seals)] == [1, 2, 3]
    assert send_again(tmp_path, seals) == Resent(3, 1)


def test_a_full_buffer_takes_none_and_the_file_keeps_them(tmp_path: Path) -> None:
    seals = seals_in(tmp_path)
    keep(tmp_path, seals, *((number, TIMED, "future") for number in range(40)))
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StoreFull):
        send_again(tmp_path, seals, limit=2000)
    assert (tmp_path / FILE).read_bytes() == before


def test_what_is_refused_once_more_is_kept_once_more(tmp_path: Path) -> None:
    seals = seals_in(tmp_path)
    text = FORM.body.decode()
    with Buffer(tmp_path, seals=seals) as buffer:
        buffer.append([to_bytes(FORM, Moment(NOW, 1, "b"), stamped=True)])
        drain(buffer, FakeCentre(refuse={text}))
    (first,) = read_rejected(tmp_path, seals)
    assert send_again(tmp_path, seals) == Resent(1, 0)
    with Buffer(tmp_path, seals=seals) as buffer:
        drain(buffer, FakeCentre(refuse={text}))
    (second,) = read_rejected(tmp_path, seals)
    assert (second["received"], second["body"], second["clock"]) == (first["received"], text, first["clock"])
    assert send_again(tmp_path, seals) == Resent(1, 0)
    centre = FakeCentre()
    with Buffer(tmp_path, seals=seals) as buffer:
        drain(buffer, centre)
    assert centre.applied == [text]


def test_the_command_asks_for_an_edge_that_has_ended(tmp_path: Path) -> None:
    folder, words = tmp_path / "edge", ["resend", "--folder", str(tmp_path / "edge"), "--json"]
    assert isinstance(CliRunner().invoke(app, words).exception, NotFound)
    assert not folder.exists()
    with Buffer(folder, seals=seals_in(folder)) as buffer:
        buffer.append([to_bytes(FORM, Moment(NOW, 1, "b"), stamped=True)])
        assert isinstance(CliRunner().invoke(app, words).exception, StoreLocked)
    keep(folder, seals_in(folder), (1, FORM, "future"))
    assert json.loads(CliRunner().invoke(app, words).stdout) == {"resent": 1, "left": 0}
    told = CliRunner().invoke(app, words[:-1]).output
    assert "0 records wait to be sent again, 0 stay in rejected.jsonl." in " ".join(told.split())


NOON = "2025-11-24T12:00:00Z"
JSON_MANY = json.dumps([{"usage_point": f"UP-{at}", "start": NOON, "kwh": at} for at in range(3)])
CSV = f"usage_point,start,kwh\nUP-0,{NOON},0\nUP-1,{NOON},1\n"
TABLE = pa.table({"usage_point": ["UP-0", "UP-1", "UP-2"], "start": [NOON] * 3, "kwh": [0.0, 1.0, 2.0]})


def arrow(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kept", "left"),
    [
        (Kept("/v1/readings", "application/json", "", JSON_MANY.encode()), json.loads(JSON_MANY)[1:2]),
        (Kept("/v1/readings", "application/json", "", b'{"readings": %b}' % JSON_MANY.encode()), ["UP-1"]),
        (Kept("/v1/readings", "application/x-ndjson", "", b"\n".join(
            json.dumps(one).encode() for one in json.loads(JSON_MANY))), ["UP-1"]),
        (Kept("/v1/readings", "text/csv", "", CSV.encode()), ["UP-1"]),
        (Kept("/v1/readings", "application/vnd.apache.arrow.stream", "", arrow(TABLE)), ["UP-1"]),
        (Kept("/write", "", "precision=s", b"".join(
            b"energy,usage_point=UP-%d kwh=1 1764000000\n" % at for at in range(3))), ["UP-1"]),
    ],
)  # fmt: skip
def test_of_a_body_goes_what_was_refused(tmp_path: Path, kept: Kept, left: list[object]) -> None:
    """What the centre took of it may have been corrected there: sent again it would undo that."""
    decoders, seals = Decoders(Settings()), seals_in(tmp_path)
    line = 3 if kept.media == "text/csv" else 2
    record = Record(1, kept.path, kept.media, kept.query, CAME, ClockTrust.RIGHT, False, kept.body)  # noqa: FBT003
    verdict = {"index": 1, "line": line, "status": "rejected", "field": "start", "reason": "it lies in the future"}
    Rejected(tmp_path, seals).keep("old", [(record, [verdict], [(1, line)])])
    assert send_again(tmp_path, seals, "future") == Resent(1, 0)
    (found,) = waiting(tmp_path, seals)
    again = decoders.decode(Kept(found.path, found.media, found.query, found.body), FAR)
    names = [one.name for one in again.few] + [part.points[at] for part in again.series for at in part.point]
    assert (len(left), names) == (1, ["UP-1"])


def test_a_body_of_which_more_was_refused_than_was_named_goes_whole(tmp_path: Path) -> None:
    seals = seals_in(tmp_path)
    record = Record(1, "/v1/readings", "application/json", "", CAME, ClockTrust.RIGHT, False, JSON_MANY.encode())  # noqa: FBT003
    Rejected(tmp_path, seals).keep("old", [(record, [{"index": 1, "line": 2, "reason": "future"}], [])])
    assert send_again(tmp_path, seals) == Resent(1, 0)
    assert [one.body.decode() for one in waiting(tmp_path, seals)] == [JSON_MANY]
