"""XML in UTF-16 is read as the same XML in UTF-8 is, and what is refused there is refused here."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.errors import InputError, UnknownFormat, UnreadableFile
from gridwright.domain.panel import Panel
from gridwright.formats import wide_markup
from gridwright.formats.container import unwrap
from gridwright.formats.markup import guard
from gridwright.formats.registry import writer_named
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files.read_file import open_files
from tests.unit.formats.markup_reading import Read, read

ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be")
EBIX = Path("interchange") / "dk_datahub"


def plain(data: bytes) -> bytes:
    """Return what is read of a file, containers opened."""
    (content,) = unwrap(memoryview(data), "file.xml")
    return bytes(content.data)


def result(data: bytes) -> tuple[object, ...]:
    found: Read = read(plain(data))
    return found.format, found.values, found.rejects, found.records


def written(name: str) -> bytes:
    panel = Panel(("Zähler/1",), datetime(2025, 1, 1, tzinfo=UTC), timedelta(minutes=15), np.ones((1, 96)))
    return b"".join(writer_named(name).write([panel], [], {}))


def wide(data: bytes, encoding: str, declared: str = "UTF-16") -> bytes:
    text = data.decode("utf-8-sig").replace('encoding="UTF-8"', f'encoding="{declared}"')
    return text.encode(encoding)


@pytest.mark.parametrize("name", ["green-button", "cim-xml"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_feeds_and_meter_readings_in_utf_16(name: str, encoding: str) -> None:
    data = written(name)
    assert result(wide(data, encoding)) == result(data)
    assert result(gzip.compress(wide(data, encoding))) == result(data)
    # What the declaration says against the mark is a mistake of the sender.
    assert result(wide(data, encoding, "iso-8859-1")) == result(data)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_messages_of_the_datahub_in_utf_16(encoding: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide_markup, "PIECE", 1001)  # characters are cut in the middle
    read_as: set[str] = set()
    for path in sorted((shared_data / EBIX).rglob("*.xml")):
        data = path.read_bytes().removeprefix(b"\xef\xbb\xbf").lstrip()
        try:
            told = result(data)
        except InputError:
            continue
        assert result(wide(data, encoding)) == told, path.name
        read_as.add("ebIX" if b"un:unece:260" in data else "CIM")
    assert read_as == {"ebIX", "CIM"}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "attack",
    [
        '<!DOCTYPE MeterReadings [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE MeterReadings SYSTEM "http://127.0.0.1/x.dtd">',
        "<!-- a comment before it --><!DOCTYPE m [" + '<!ENTITY a "aaaaaaaaaa">' * 50 + "]>",
        "<!ENTITY a 'b'>",
    ],
)
def test_attacks_in_utf_16_are_refused(attack: str, encoding: str) -> None:
    text = written("cim-xml").decode().replace('encoding="UTF-8"', 'encoding="UTF-16"')
    data = text.replace("?>\n", f"?>\n{attack}\n", 1).encode(encoding)
    with pytest.raises(UnreadableFile, match=r"<!(DOCTYPE|ENTITY) is refused"):
        open_files(unwrap(memoryview(data), "a.xml"), ReadOptions())


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be"])
def test_utf_32_is_no_utf_16(encoding: str) -> None:
    data = written("cim-xml").decode().encode(encoding)
    assert plain(data) == data
    with pytest.raises((UnknownFormat, UnreadableFile)):
        open_files(unwrap(memoryview(data), "a.xml"), ReadOptions())


def test_half_a_character_is_damage_and_no_crash() -> None:
    data = wide(written("cim-xml"), "utf-16")
    assert plain(data + b"<").endswith("\ufffd".encode())
    assert plain(data[:-201]).decode()


def test_other_text_in_utf_16_stays_as_it_is() -> None:
    for text in ("usage_point,start,kwh\n", "{}", ""):
        data = text.encode("utf-16")
        assert plain(data) == data


@pytest.mark.parametrize("declared", ["UTF-16", "utf-16", "UTF-16LE", "utf-32"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
@pytest.mark.parametrize("name", ["green-button", "cim-xml"])
def test_what_declares_utf_16_and_is_utf_8_is_read_as_that(name: str, mark: bytes, declared: str) -> None:
    """A text that was composed in memory declares how memory holds it, whatever it is written in."""
    data = written(name)
    wrong = data.replace(b'encoding="UTF-8"', f'encoding="{declared}"'.encode())
    assert wrong != data
    assert result(mark + wrong) == result(data)
    assert read(mark + wrong).told["encoding"] == "UTF-8"
    assert "encoding" not in read(data).told


def test_messages_of_the_datahub_may_declare_utf_16_too(shared_data: Path) -> None:
    read_as: set[str] = set()
    for path in sorted((shared_data / EBIX).rglob("*.xml")):
        data = path.read_bytes()
        wrong = re.sub(rb'encoding="utf-8"', b'encoding="utf-16"', data, count=1, flags=re.IGNORECASE)
        if wrong == data:
            continue
        try:
            told = result(data)
        except InputError:
            continue
        assert result(wrong) == told, path.name
        read_as.add("ebIX" if b"un:unece:260" in data else "CIM")
    assert read_as


@pytest.mark.parametrize("bad", ["Zähler".encode("latin-1"), b"Z\xc3", "Zähler".encode("utf-16-le")])
def test_what_is_neither_what_it_declares_nor_utf_8_is_refused(bad: bytes) -> None:
    wrong = written("cim-xml").replace(b'"UTF-8"', b'"UTF-16"').replace("Zähler".encode(), bad)
    with pytest.raises(UnreadableFile, match="'UTF-16', and its bytes are neither that nor UTF-8"):
        read(wrong)


def test_a_cut_character_at_the_end_is_not_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PROLOG_BYTES", 999)  # characters are cut between two pieces, which is no fault
    wrong = written("cim-xml").replace(b'"UTF-8"', b'"UTF-16"')
    assert result(wrong)[3] == 96
    with pytest.raises(UnreadableFile, match="neither"):
        read(wrong + b"\xc3")
