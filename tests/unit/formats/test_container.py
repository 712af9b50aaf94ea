from __future__ import annotations

import gzip
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.errors import UnreadableFile
from gridwright.formats import container
from gridwright.formats.container import unwrap


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def names_and_bytes(data: bytes, name: str) -> list[tuple[str, bytes]]:
    return [(content.name, bytes(content.data)) for content in unwrap(memoryview(data), name)]


def test_a_plain_file_is_itself() -> None:
    assert names_and_bytes(b"1,2", "a.csv") == [("a.csv", b"1,2")]


@pytest.mark.parametrize("name", ["A.ZIP", "a.zip", "a.dat"])
def test_a_zip_is_known_by_its_content(name: str) -> None:
    data = zipped({"x.csv": b"1", "d/y.csv": b"2", "__MACOSX/x.csv": b"?", "d/.DS_Store": b"?"})
    assert names_and_bytes(data, name) == [(f"{name}!x.csv", b"1"), (f"{name}!d/y.csv", b"2")]


@pytest.mark.parametrize("name", ["a.csv.gz", "A.CSV.GZ"])
def test_gzip(name: str) -> None:
    assert names_and_bytes(gzip.compress(b"1"), name) == [(f"{name}!{name[:-3]}", b"1")]


def test_gzip_inside_a_zip() -> None:
    assert names_and_bytes(zipped({"a.csv.gz": gzip.compress(b"1")}), "a.zip")[0][1] == b"1"


def nested() -> bytes:
    return zipped({"c.zip": zipped({"b.zip": zipped({"a.csv": b"1"})})})


def bomb() -> bytes:
    return zipped({"zeros.csv": bytes(40 << 20)})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (nested(), "nested"),
        (bomb(), "unpacks to more than"),
        (zipped({}), "holds no file"),
        (zipped({"a.csv": b"1" * 1000})[:-30], "damaged"),
        (gzip.compress(b"1" * 1000)[:-10], "damaged"),
    ],
    ids=["nested", "bomb", "no file", "zip cut short", "gzip cut short"],
)
def test_what_cannot_be_unpacked(data: bytes, says: str) -> None:
    with pytest.raises(UnreadableFile, match=says):
        unwrap(memoryview(data), "a.zip")


def test_the_limit_is_on_all_files_together() -> None:
    data = zipped({"a.csv": b"1" * 600, "b.csv": b"2" * 600})
    with pytest.raises(UnreadableFile, match="unpacks to more than"):
        unwrap(memoryview(data), "a.zip", max_bytes=1000)


def test_too_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MAX_FILES", 2)
    with pytest.raises(UnreadableFile, match="3 files"):
        unwrap(memoryview(zipped({"a": b"1", "b": b"2", "c": b"3"})), "a.zip")


@given(st.data())
def test_a_corrupt_byte_gives_our_error_or_the_files(data: st.DataObject) -> None:
    good = bytearray(data.draw(st.sampled_from([zipped({"a.csv": b"1,2,3" * 9}), gzip.compress(b"1,2,3" * 9)])))
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert unwrap(memoryview(bytes(good)), "a.zip")
    except UnreadableFile as error:
        assert error.where.startswith("a.zip")  # noqa: PT017 - most corruptions do not raise


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_lines_of_a_text_end_in_line_feeds(encoding: str, end: str) -> None:
    """Carriage returns alone, as once on the Mac, become line feeds; the byte after a mark is none of them."""
    text = end.join(["time,kWh", "2025-01-01 00:00,1.5", "2025-01-01 01:00,2.25 ഊ", ""])
    (content,) = unwrap(memoryview(text.encode(encoding)), "x.csv")
    assert bytes(content.data) == (text.replace("\r", "\n") if end == "\r" else text).encode(encoding)


def test_what_is_no_text_stays_as_it_is() -> None:
    data = b"\r\0\r\0" + bytes(range(14, 255)) * 3
    (content,) = unwrap(memoryview(data), "x.bin")
    assert bytes(content.data) == data
