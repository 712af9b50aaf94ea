"""MSCONS: the four real messages, service characters, times of all kinds, and what is refused or told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.errors import UnknownFormat, UnreadableFile
from gridwright.domain.interval import epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Accumulation, Flow, Quantity
from gridwright.formats.mscons import MSCONS, MSCONS_WRITER, MsconsReader
from gridwright.formats.source import Decoded, ReadOptions

FOLDER = Path("interchange") / "mscons"
POINT = "LOC+172+DE001"
ENERGY = "PIA+5+1-1?:1.29.0:SRW"


def message(*body: str, count: int | None = None, head: str = "MSCONS:D:04B:UN:2.4c") -> str:
    segments = ("UNH+1+" + head, "BGM+7+1+9", "UNS+D", "NAD+DP", *body)
    return "'".join((*segments, f"UNT+{len(segments) + 1 if count is None else count}+1", ""))


def interchange(*messages: str, told: int | None = None) -> str:
    opening = "UNB+UNOC:3+A:500+B:500+250301:0000+9'"
    return opening + "".join(messages) + f"UNZ+{len(messages) if told is None else told}+9'"


def value(quantity: str, start: str = "202503010000?+01", end: str = "202503010015?+01") -> tuple[str, str, str]:
    return f"QTY+{quantity}", f"DTM+163:{start}:303", f"DTM+164:{end}:303"


def read(text: str, reader: MsconsReader = MSCONS, **options: Any) -> Decoded:  # noqa: ANN401 - any option
    data = memoryview(text.encode("latin-1"))
    dialect = reader.inspect(data, "a.edi", ReadOptions(**options))
    pieces = [reader.decode(data, chunk, dialect) for chunk in reader.chunks(data, dialect)]
    return Decoded(
        sum(piece.records for piece in pieces),
        tuple(one for piece in pieces for one in piece.series),
        tuple(reject for piece in pieces for reject in piece.rejects),
        sum(piece.rejected for piece in pieces),
        notes=tuple(note for piece in pieces for note in piece.notes),
    )


@pytest.mark.parametrize(
    ("start", "quantity", "flow", "total", "first"),
    [
        (
            "20191215_045127_12X-SAK-N------6_E66_12X-SAK-N------6_ESLEVU14572840",
            "energy",
            "delivered",
            3_719_250,
            36_300,
        ),
        ("20191215_045127_12X-SAK-N------6_E66_12X-SAK-N------6_ESLEVU14572841", "energy", "received", 7050, 0),
        ("20191215_045128_12X", "reactive-energy", "none", 1_407_300, 10_800),
        ("MSCONS_LG", "energy", "delivered", 1_479_200, 20_800),
    ],
)
def test_the_four_real_messages(
    shared_data: Path, start: str, *, quantity: str, flow: str, total: int, first: int
) -> None:
    """96 quarter-hours each, from local midnight at UTC+1; the three Swiss ones count their segments wrongly."""
    (path,) = (shared_data / FOLDER).glob(f"{start}*.txt")
    decoded = read(path.read_bytes().decode("latin-1"))
    (one,) = decoded.series
    assert (one.size, one.interval_s, decoded.rejects) == (96, 900, ())
    assert (one.reading_type.quantity, one.reading_type.flow) == (quantity, flow)
    assert (one.value.sum(), one.value[0]) == (total, first)
    assert one.at[0] % 86_400 == 23 * 3600
    assert np.diff(one.at).tolist() == [900] * 95
    old = start.startswith("MSCONS")
    assert decoded.notes == () if old else "UNT tells 109 segments, there are 302" in decoded.notes[0]
    if old:  # DTM+672:15:806, and two values of qualifier 79
        assert int((one.quality == int(q.Status.DERIVED)).sum()) == 2
        assert one.at[0] == epoch_s(datetime(2013, 3, 23, 23, tzinfo=UTC))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("220", q.Status.ACTUAL),
        ("67", q.Status.ESTIMATED_FINAL),
        ("Z18", q.Status.ESTIMATED),
        ("79", q.Status.DERIVED),
        ("20", q.Status.MISSING),
        ("Z30", q.Status.MISSING),
    ],
)
def test_qualifiers(code: str, status: q.Status) -> None:
    decoded = read(interchange(message(POINT, "LIN+1", ENERGY, *value(f"{code}:1.500"))))
    assert decoded.series[0].quality.tolist() == [int(status)]
    assert np.isnan(decoded.series[0].value[0]) == (status is q.Status.MISSING)
    assert any("not usable" in note for note in decoded.notes) == (status is q.Status.MISSING)


@pytest.mark.parametrize(
    ("obis", "quantity", "flow", "channel", "register"),
    [
        ("1-1?:1.29.0", Quantity.ENERGY, Flow.DELIVERED, "", False),
        ("1-1?:2.29.0*255", Quantity.ENERGY, Flow.RECEIVED, "", False),
        ("1.9.0", Quantity.ENERGY, Flow.DELIVERED, "", False),
        ("1-0?:1.8.0", Quantity.ENERGY, Flow.DELIVERED, "", True),
        ("1-0?:1.8.2", Quantity.ENERGY, Flow.DELIVERED, "1.8.2", True),
        ("1-1?:8.29.0", Quantity.REACTIVE_ENERGY, Flow.NONE, "Q4", False),
        ("1-1?:3.29.0", Quantity.REACTIVE_ENERGY, Flow.DELIVERED, "", False),
    ],
)
def test_obis_codes(obis: str, quantity: Quantity, flow: Flow, channel: str, register: bool) -> None:
    (one,) = read(interchange(message(POINT, "LIN+1", f"PIA+5+{obis}:SRW", *value("220:1.5")))).series
    kind = one.reading_type
    assert (kind.quantity, kind.flow, kind.channel) == (quantity, flow, channel)
    assert (kind.accumulation is Accumulation.CUMULATIVE) == register == (one.interval_s == 0)


def test_registers_stand_at_the_moment_of_reading() -> None:
    text = message(POINT, "LIN+1", "PIA+5+1-0?:1.8.0:SRW", "QTY+220:2931567:KWH", "DTM+9:202503010000?+01:303")
    (one,) = read(interchange(text)).series
    assert one.at.tolist() == [epoch_s(datetime(2025, 2, 28, 23, tzinfo=UTC))]
    assert one.value.tolist() == [2_931_567_000.0]


def test_other_service_characters_line_breaks_and_released_characters() -> None:
    plain = interchange(message("LOC+172+A?+B?'C??D", "LIN+1", ENERGY, *value("220:1.500")))
    odd = plain.replace("??", "\0").replace("?'", "!~").replace("?+", "!|").replace("?:", "!;")
    odd = (
        odd.replace("+", "|").replace(":", ";").replace("'", "~\r\n").replace("!~\r\n", "!~").replace("1.500", "1,500")
    )
    odd = (
        odd.replace("A!|B", "A+B")
        .replace("1-1!;1", "1-1:1")
        .replace("0000!|01", "0000+01")
        .replace("0015!|01", "0015+01")
    )
    for text in (plain, "UNA:+.? '" + plain, "UNA;|,! ~\r\n" + odd.replace("!~C", "'C").replace("\0", "?")):
        (one,) = read(text).series
        assert one.points == ("A+B'C?D",)
        assert one.value.tolist() == [1500.0]
        assert one.at.tolist() == [epoch_s(datetime(2025, 2, 28, 23, tzinfo=UTC))]


def test_times_without_an_offset_follow_the_zone() -> None:
    body = ("QTY+220:1", "DTM+163:202507010000:203", "DTM+164:202507010015:203")
    text = interchange(message(POINT, "LIN+1", ENERGY, *body))
    assert read(text).series[0].at[0] == epoch_s(datetime(2025, 7, 1, tzinfo=UTC))
    assert read(text, zone="Europe/Berlin").series[0].at[0] == epoch_s(datetime(2025, 6, 30, 22, tzinfo=UTC))
    west = interchange(message(POINT, "LIN+1", ENERGY, *value("220:1", "202507010000-0330", "202507010015-0330")))
    assert read(west).series[0].at[0] == epoch_s(datetime(2025, 7, 1, 3, 30, tzinfo=UTC))


def test_several_points_and_lines_of_one_message() -> None:
    other = (
        "NAD+DP",
        "LOC+172+DE002",
        "LIN+1",
        ENERGY,
        *value("220:2"),
        "LIN+2",
        "PIA+5+1-1?:2.29.0:SRW",
        *value("67:3"),
    )
    decoded = read(interchange(message(POINT, "LIN+1", ENERGY, *value("220:1"), *other)))
    found = {(one.points[0], one.reading_type.flow): one.value.tolist() for one in decoded.series if one.size == 1}
    assert found == {("DE002", Flow.RECEIVED): [3000.0]}
    (both,) = [one for one in decoded.series if one.size == 2]
    assert dict(zip([both.points[at] for at in both.point], both.value.tolist(), strict=True)) == {
        "DE001": 1000.0,
        "DE002": 2000.0,
    }


@pytest.mark.parametrize(
    ("body", "reason", "value_shown"),
    [
        ((POINT, "LIN+1", ENERGY, *value("220:x")), "the quantity is no number", "x"),
        ((POINT, "LIN+1", ENERGY, *value("999:1")), "the qualifier of QTY is none we know", "1"),
        ((POINT, "LIN+1", ENERGY, *value("220:1:K3")), "the unit does not fit the OBIS code", "1"),
        ((POINT, "LIN+1", ENERGY, "QTY+220:1"), "no start and end", "1"),
        ((POINT, "LIN+1", ENERGY, *value("220:1", "202513010000?+01")), "no start and end", "1"),
        ((POINT, "LIN+1", "PIA+5+7-1?:1.0.0:SRW", *value("220:1")), "OBIS code '7-1:1.0.0' is none we read", "1"),
        ((POINT, "LIN+1", *value("220:1")), "no OBIS code (PIA) stands before the value", "1"),
        (("LOC+172", "LIN+1", ENERGY, *value("220:1")), "no metering point (LOC) stands before", "1"),
        ((POINT, "LIN+1", ENERGY, "QXY+220:1"), "segment 'QXY' is none of an MSCONS message", "QXY"),
    ],
)
def test_what_is_refused_names_its_segment_and_value(body: tuple[str, ...], reason: str, value_shown: str) -> None:
    good = message(POINT, "LIN+1", ENERGY, *value("220:1"))
    decoded = read(interchange(good, message(*body), good))
    assert [reject.value for reject in decoded.rejects] == [value_shown]
    assert decoded.rejects[0].reason.startswith(reason)
    assert decoded.rejects[0].line == 1 + 11 + 4 + next(
        at for at, segment in enumerate(body, 1) if segment.startswith("Q")
    )
    assert sum(one.size for one in decoded.series) == 2


def test_a_damaged_location_gives_its_values_to_nobody_else() -> None:
    body = (POINT, "LIN+1", ENERGY, *value("220:1"), "NAD+DP", "LOX+172+DE002", "LIN+1", ENERGY, *value("220:2"))
    decoded = read(interchange(message(*body)))
    assert sum(one.value.sum() for one in decoded.series) == 1000
    assert decoded.rejected == 2


def test_counts_that_do_not_fit_are_told_and_the_values_kept() -> None:
    body = (POINT, "LIN+1", ENERGY, *value("220:1"))
    wrong = read(interchange(message(*body, count=99), told=5))
    assert wrong.series[0].size == 1
    assert wrong.notes == ("message 1: UNT tells 99 segments, there are 11", "UNZ tells 5 messages, there are 1")
    cut = interchange(message(*body)).partition("UNT+")[0]
    assert set(read(cut).notes) == {
        "message 1: no UNT at its end, it may be cut short",
        "no UNZ at the end: the interchange may be cut short",
    }
    assert "has no terminator and was left out: 'QTY+220" in " ".join(read(cut + "QTY+220:7").notes)


def test_pieces_hold_whole_messages() -> None:
    messages = [message(f"LOC+172+P{number}", "LIN+1", ENERGY, *value("220:1")) for number in range(30)]
    messages[17] = messages[17].replace("QTY+220:1", "QTY+220:z")
    whole, pieces = read(interchange(*messages)), read(interchange(*messages), MsconsReader(chunk_bytes=500))
    assert whole.rejects == pieces.rejects
    assert sum(one.size for one in pieces.series) == sum(one.size for one in whole.series) == 29
    assert pieces.notes == whole.notes == ()


def test_what_is_no_mscons_is_refused_as_a_file() -> None:
    with pytest.raises(UnknownFormat, match="the message is UTILMD"):
        read(interchange(message(head="UTILMD:D:11A")))
    with pytest.raises(UnreadableFile, match="holds no message"):
        read("UNB+UNOC:3+A+B+250301:0000+9'UNZ+0+9'")
    mixed = read(
        interchange(
            message(POINT, *value("220:1"), head="UTILMD:D:11A"), message(POINT, "LIN+1", ENERGY, *value("220:1"))
        )
    )
    assert "message UTILMD is no MSCONS" in mixed.rejects[0].reason
    assert mixed.series[0].size == 1


@pytest.mark.parametrize(
    ("options", "zone", "because"),
    [
        (ReadOptions(), "UTC", "assumed for local days: the file names none"),
        (ReadOptions(default_zone="Europe/Berlin"), "Europe/Berlin", "assumed for local days: the file names none"),
        (ReadOptions(zone="Europe/Zurich"), "Europe/Zurich", "given"),
    ],
)
def test_which_days_are_counted_is_told(options: ReadOptions, zone: str, because: str) -> None:
    """The stamps are of UTC, and a month of a Swiss meter is billed by Swiss days: nothing in the file says so."""
    data = memoryview(interchange(message("LOC+172+P")).encode())
    (told,) = [one for one in MSCONS.inspect(data, "a.edi", options).evidence if one.what == "zone"]
    assert (told.value, told.because, told.override) == (zone, because, "--zone")


def test_an_edited_value_is_a_substitute_and_comes_back_as_a_final_estimate() -> None:
    """MSCONS has no code for who decided; Z18 would say that a better value is to come."""
    quality = np.array([[int(q.Status.EDITED), q.ACTUAL]], np.uint8)
    panel = Panel(
        ("A",), datetime(2025, 3, 1, tzinfo=UTC), timedelta(minutes=15), np.array([[1000.0, 2000.0]]), quality
    )
    written = b"".join(MSCONS_WRITER.write([panel], [], {})).decode()
    assert "QTY+67:1" in written
    assert read(written).series[0].quality.tolist() == [int(q.Status.ESTIMATED_FINAL), q.ACTUAL]
