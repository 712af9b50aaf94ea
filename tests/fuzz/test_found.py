"""What the matrix has found: each input that was lost, taken wrongly or too slow, and what is answered now."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gridwright.api.answer import Refused
from gridwright.formats.mscons import reader as mscons
from tests.fuzz import samples
from tests.fuzz.entrances import Outcome, of_body, of_file, of_form, of_message
from tests.fuzz.test_matrix import reason_of

MULTIPART = "multipart/form-data; boundary=b"


def refusal(form: str, data: bytes) -> str:
    with pytest.raises(Refused) as caught:
        of_form(form, data)
    return reason_of(caught.value)


def test_a_row_as_frequent_as_the_others_does_not_set_the_width() -> None:
    """Two rows, one of them glued together: its surplus fields must not become intervals."""
    whole = samples.csv_wide().data
    head, row = whole.splitlines(keepends=True)
    glued = row[:-20] + head[30:] + row
    outcome = of_file(head + glued)
    assert (outcome.taken, outcome.refused) == (samples.DAY, 1)
    assert "columns where the file has 55" in outcome.said[0]


@pytest.mark.parametrize("text", ["1e308", "1e18", "-1e17", "9" * 30])
def test_one_impossible_value_costs_itself_and_not_the_import(text: str) -> None:
    """The store holds whole numbers up to 2^53: what is larger is refused where the line is known."""
    for make in (samples.csv_long, samples.csv_wide, samples.csv_registers):
        sample = make()
        outcome = of_file(sample.data.replace(sample.value, text.encode(), 1))
        assert (outcome.taken, outcome.refused) == (of_file(sample.data).taken - 1, 1)
        assert "impossibly large" in outcome.said[0]
    table = samples._table()
    values = [float(text), *table.column("kwh").to_pylist()[1:]]
    sink = io.BytesIO()
    pq.write_table(table.set_column(2, "kwh", pa.array(values)), sink)
    outcome = of_file(sink.getvalue())
    assert (outcome.taken, outcome.refused) == (samples.DAY - 1, 1)


def test_a_giant_field_is_told_in_brief() -> None:
    outcome = of_file(samples.csv_long().data.replace(b"7.064", b"x" * 1_000_000))
    assert (outcome.taken, outcome.refused) == (samples.DAY - 1, 1)
    assert len(outcome.said[0]) < 300


@pytest.mark.parametrize("make", [samples.nem12, samples.cmep, samples.mscons])
def test_a_number_of_millions_of_digits_costs_itself(make: Callable[[], samples.Sample]) -> None:
    """Two million nines were more than a decimal number can be, which ended the import."""
    outcome = of_file(make().data.replace(b"7.064", b"9" * 2_000_000, 1))
    assert (outcome.taken, outcome.refused) == (samples.DAY - 1, 1)


def test_a_nem12_file_that_is_cut_off_says_so() -> None:
    """Cut behind the last value, a day has no quality any more: zeros that stood for no value would count."""
    data = samples.nem12().data
    day = data.index(b"300,")
    whole = data[: data.index(b"\n", day) + 1]
    assert of_file(whole).taken == samples.DAY
    assert [note for note in of_file(whole).said if "900 record" in note]
    for end in (data.index(b",A", day) + 1, data.index(b",A", day) - 2):
        outcome = of_file(data[:end])
        assert (outcome.taken, outcome.refused) == (0, samples.DAY)
        assert "ends within this day" in outcome.said[0]


def test_a_second_json_message_in_one_file_is_told() -> None:
    data = samples.dk_json().data
    outcome = of_file(data + data)
    assert (outcome.taken, outcome.refused) == (samples.DAY, samples.DAY)
    assert "behind the end of the Series" in outcome.said[0]


def test_a_message_of_too_many_segments_is_refused_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mscons, "MOST_SEGMENTS", 100)
    outcome = of_file(samples.mscons().data)
    assert (outcome.taken, outcome.refused) == (0, samples.DAY)
    assert "more than 100 segments" in outcome.said[0]


def test_a_strange_segment_is_counted_though_not_listed() -> None:
    outcome = of_file(samples.mscons().data.replace(b"7.064", b"'" * 20_001, 1))
    assert (outcome.taken, outcome.refused) == (samples.DAY - 1, 20_002)
    assert len(outcome.said) <= 10_010


@pytest.mark.parametrize("mark", [b'{"a":', b"<a ", b'"'])
def test_the_head_of_a_part_takes_no_work_that_grows_with_its_square(mark: bytes) -> None:
    """The library's parser took six seconds for the 60 kB that a form may have, and the loop waited."""
    sound = samples.form_multipart().data
    calls = 0

    def counting(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        del frame, event, argument
        calls += 1

    sys.setprofile(counting)
    try:
        with suppress(Refused):
            of_form(MULTIPART, sound[:40] + mark * (60_000 // len(mark)) + sound[40:])
    finally:
        sys.setprofile(None)
    assert calls < 2_000


def test_multipart_as_clients_send_it() -> None:
    plain = samples.form_multipart().data
    for body in (plain, plain.replace(b"\r\n", b"\n"), b"preamble\r\n" + plain + b"epilogue"):
        assert of_form(MULTIPART, body) == Outcome(1, values=(7013.0,))
    assert of_form('multipart/form-data; boundary="b"; charset=utf-8', plain).taken == 1
    assert "no sound" in refusal(MULTIPART, b"--c\r\n\r\n")
    assert "no sound" in refusal("multipart/form-data", plain)
    assert "meter_id is missing" in refusal(MULTIPART, plain.replace(b'name="meter_id"', b'name=""'))


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("application/x-www-form-urlencoded", b"meter_id=M-1&reading=5&reading=6"),
        (MULTIPART, samples.form_multipart().data.replace(b"--b--", b'--b\r\nx; name="reading"\r\n\r\n8\r\n--b--')),
    ],
)
def test_a_form_with_two_readings_is_no_reading(media: str, body: bytes) -> None:
    assert "twice, with different values" in refusal(media, body)


def test_an_open_quote_in_a_csv_body_is_told_with_its_line() -> None:
    data = samples.body_csv().data.replace(b"7.064", b'"7.064')
    with pytest.raises(Refused) as caught:
        of_body("csv", data)
    assert "line 5 opens a quote" in reason_of(caught.value)


@pytest.mark.parametrize("body", [b'{"value": ' + b"9" * 400 + b"}", b"9" * 400, b'{"value": 1, "interval_s": "x"}'])
def test_a_message_that_no_number_fits_is_a_verdict(body: bytes) -> None:
    outcome = of_message("meters/UPX/energy_kwh", body)
    assert (outcome.taken, outcome.refused) == (0, 1)
