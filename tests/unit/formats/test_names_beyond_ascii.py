"""Names beyond ASCII come home: formats that name no encoding are UTF-8, else Latin-1, which is told."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.cmep.reader import CmepReader
from gridwright.formats.nem12.reader import Nem12Reader
from gridwright.formats.registry import find_reader, writer_named
from gridwright.formats.source import Decoded, ReadOptions
from gridwright.formats.text import LATIN, text_of

START = datetime(2025, 10, 24, 14, tzinfo=UTC)  # midnight of the market's clock
FORMATS = ("nem12", "nem13", "cmep")
READERS = {"nem12": Nem12Reader, "nem13": Nem12Reader, "cmep": CmepReader}
# What two of these letters may make of one in Latin-1, such as Ã¤, nobody can tell from the one in UTF-8.
letters = st.characters(codec="utf-8", categories=("L", "N"), min_codepoint=0x30)
names = st.text(letters, min_size=1, max_size=10).map(lambda text: unicodedata.normalize("NFC", text))


def written(form: str, name: str) -> bytes:
    points = {name: UsagePoint(name, "Australia/Brisbane")}
    values = np.arange(96.0)[None, :]
    panels = [] if form == "nem13" else [Panel((name,), START, timedelta(minutes=15), values)]
    kind = DELIVERED_ENERGY.register()
    reads = [RegisterReading(name, START + timedelta(days=day), 1000.0 * day, reading_type=kind) for day in range(3)]
    return b"".join(writer_named(form).write(panels, reads if form == "nem13" else [], points))


def pieces(data: bytes, form: str, size: int = 4 << 20) -> list[Decoded]:
    view, options = memoryview(data), ReadOptions()
    assert find_reader(data, "file", options).name in {form, "nem12"}
    reader = READERS[form](chunk_bytes=size)
    dialect = reader.inspect(view, "file", options)  # type: ignore[attr-defined]
    return [reader.decode(view, chunk, dialect) for chunk in reader.chunks(view, dialect)]  # type: ignore[attr-defined]


def points_of(read: list[Decoded]) -> set[str]:
    return {point for one in read for series in one.series for point in series.points}


@pytest.mark.parametrize("form", FORMATS)
@given(name=names)
def test_a_name_is_read_as_it_was_written(form: str, name: str) -> None:
    read = pieces(written(form, name), form)
    assert (points_of(read), sum(one.rejected for one in read)) == ({name}, 0)
    assert LATIN not in [note for one in read for note in one.notes]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["Zähler-1", "Łódź-7", "户号-3"])
def test_two_names_in_small_pieces_stay_two(form: str, name: str) -> None:
    data = written(form, name) + written(form, "V3").split(b"\n", form != "cmep")[-1]
    assert points_of(pieces(data, form, size=64)) == {name, "V3"}


@pytest.mark.parametrize("form", FORMATS)
def test_latin_1_is_read_and_told(form: str) -> None:
    data = written(form, "Zähler-1").decode().encode("latin-1")
    read = pieces(data, form)
    assert points_of(read) == {"Zähler-1"}
    assert [note for one in read for note in one.notes].count(LATIN) == 1


@pytest.mark.parametrize("form", FORMATS)
def test_a_letter_in_a_number_costs_that_number_alone(form: str) -> None:
    number = {"nem12": b",0.003,", "nem13": b",1.000,", "cmep": b",0.003,"}[form]
    data = written(form, "V3").replace(number, ",Łódź,".encode(), 1)
    read = pieces(data, form)
    rejects = [reject for one in read for reject in one.rejects]
    assert any("Łódź" in (reject.value, *reject.reason.split("'"), *reject.record.split(",")) for reject in rejects)


@given(st.text())
def test_utf_8_is_text_and_so_are_any_bytes(text: str) -> None:
    assert text_of(text.encode("utf-8", "replace")) == text.encode("utf-8", "replace").decode()
    assert text_of(text.encode("utf-8", "replace") + b"\xff")
