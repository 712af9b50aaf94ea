"""Numbers as people write them: the file's marks are read back, and a cell of other marks costs itself alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.errors import AmbiguousInput
from gridwright.formats.numerals import Numerals, numerals_of, read_numbers
from tests.unit.formats.csv_reading import Read, read

STAMPS = [f"2025-03-{1 + slot // 96:02d}T{slot % 96 // 4:02d}:{15 * (slot % 4):02d}:00Z" for slot in range(3000)]


def table(values: Sequence[str], separator: str = ";") -> str:
    rows = [f'A{separator}{stamp}{separator}"{value}"' for stamp, value in zip(STAMPS, values, strict=False)]
    return "\n".join([separator.join(("usage_point", "timestamp", "kwh")), *rows])


def kept(found: Read) -> list[int]:
    return list(found.only.value.tolist())


@pytest.mark.parametrize(
    ("usual", "counts", "strange"),
    [
        ("0,250", 250, ["1.250"]),
        ("0,250", 250, ["1250.5"]),
        ("0.25", 250, ["1.234,5"]),
        ("0.25", 250, ["1.2.3", "1.234,5"]),
        ("0.25", 250, ["0,25"]),
        ("0.25", 250, ["1,5", "1,234", "12,34.5", "1,2"]),
        ("0,25", 250, ["0.25", "1.5"]),
    ],
)
@pytest.mark.parametrize("at", [0, 60, 94])
@pytest.mark.parametrize("separator", [";", ","])
def test_a_cell_of_other_marks_is_rejected_and_changes_no_other(
    usual: str, counts: int, strange: list[str], at: int, separator: str
) -> None:
    values = [usual] * 95
    values[at:at] = strange
    found = read(table(values, separator))
    assert kept(found) == [counts] * 95
    assert found.rejects == [(at + 2 + place, value) for place, value in enumerate(strange)]


def test_a_strange_cell_behind_the_rows_looked_at_is_rejected_too() -> None:
    found = read(table(["0.25"] * 2000 + ["1.234,5", "1,234"]))
    assert kept(found) == [250] * 2000
    assert found.rejects == [(2002, "1.234,5"), (2003, "1,234")]


def test_rows_that_may_be_read_both_ways_are_settled_by_those_behind_them() -> None:
    found = read(table(["1.250"] * 400 + ["0,250"] * 1000))
    assert kept(found) == [250] * 1000
    assert [line for line, _ in found.rejects] == list(range(2, 402))
    assert found.told("decimal mark") == ","


def test_thousands_are_joined_where_they_are_grouped_as_they_must_be() -> None:
    found = read(
        table(["1,234.5", "0.25", "1,234", "12,345,678.25", "0,25", "12,34.5", "1,2", "0,123.5", *["0.5"] * 90])
    )
    assert kept(found)[:4] == [1_234_500, 250, 1_234_000, 12_345_678_250]
    assert found.rejects == [(6, "0,25"), (7, "12,34.5"), (8, "1,2"), (9, "0,123.5")]


def test_lakh_and_crore_are_parted_by_two_digits_before_the_last_three() -> None:
    found = read(table(["1,23,456.7", "12,34,56,789", "99,999.5", "1,2,345.0", "1,23,45.5", *["0.5"] * 90]))
    assert kept(found)[:3] == [123_456_700, 123_456_789_000, 99_999_500]
    assert found.rejects == [(5, "1,2,345.0"), (6, "1,23,45.5")]


def test_a_reject_names_the_mark_of_the_file_and_what_to_do() -> None:
    found = read(table([*["0,250"] * 95, "1.250", "oops"]))
    told, other = [reject for piece in found.pieces for reject in piece.rejects]
    assert told.reason == "'1.250' in column kwh does not fit the decimal mark of the file, `,`"
    assert "--decimal" in told.remedy
    assert other.reason == "'oops' in column kwh is no finite number"
    because = next(
        each.because
        for each in read(table([*["0,250"] * 95, "1250.5"])).dialect.evidence
        if each.what == "decimal mark"
    )
    assert "'1250.5'" in because


@pytest.mark.parametrize(
    "values",
    [
        ["1,234"] * 96,
        ["1,234"] * 94 + ["0.25"] * 2,
        ["1,234"] * 95 + ["1,234.5"],
        ["1.250"] * 95 + ["1.250.000"],
        ["1.250"] * 48 + ["1,250"] * 48,
        ["0.25"] * 48 + ["0,25"] * 48,
    ],
)
def test_a_file_that_may_be_read_both_ways_is_refused_with_its_examples(values: list[str]) -> None:
    with pytest.raises(AmbiguousInput, match="--decimal") as told:
        read(table(values))
    assert values[0] in str(told.value)


@pytest.mark.parametrize(("decimal", "counts"), [(",", [1_250_000, 1_234_500]), (".", [1_250])])
def test_what_the_caller_says_decides(decimal: str, counts: list[int]) -> None:
    found = read(table(["1.250", "1.234,5", *["7"] * 90]), decimal=decimal)
    assert kept(found)[: len(counts)] == counts
    assert len(found.rejects) == 2 - len(counts)


def test_a_row_a_day_is_read_by_the_same_rule() -> None:
    hours = [f"{hour:02d}:00" for hour in range(24)]
    rows = [["M-1", f"2025-03-{day:02d}", *["0,250"] * 24] for day in range(1, 11)]
    rows[4][7] = "1.250"
    found = read("\n".join(";".join(row) for row in [["meter", "date", *hours], *rows]))
    assert set(kept(found)) == {250}
    assert [line for line, _ in found.rejects] == [6]


LOCALES = {"en": ".,", "de": ",.", "fr": ",\u202f", "sv": ",\u00a0", "ch": ".'", "plain": ".", "comma": ","}


def written(count: int, locale: str) -> str:
    decimal, thousands = LOCALES[locale][0], LOCALES[locale][1:]
    whole = f"{abs(count) // 1000:,}".replace(",", thousands)
    return f"{'-' if count < 0 else ''}{whole}{decimal}{abs(count) % 1000:03d}"


# A fraction below one can be read in one way only: with it the file tells its mark.
COUNTS = st.lists(st.integers(-99_999_999, 99_999_999), max_size=60).map(lambda counts: [250, *counts])


@given(COUNTS, st.sampled_from(list(LOCALES)))
def test_numbers_of_any_place_are_read_back(counts: list[int], locale: str) -> None:
    texts = [written(count, locale) for count in counts]
    numerals, _ = numerals_of(texts)
    values, bad = read_numbers(pa.array([text.encode() for text in texts], pa.binary()), numerals)
    assert not bad.any()
    assert np.rint(values * 1000).tolist() == counts


@given(
    st.lists(st.integers(0, 999), min_size=12, max_size=60),
    st.sampled_from(list(LOCALES)),
    st.text(alphabet="0123456789.,-' \u202fe", min_size=1, max_size=9),
    st.integers(0, 11),
)
def test_one_strange_cell_changes_no_other(counts: list[int], locale: str, strange: str, at: int) -> None:
    texts = [written(count, locale) for count in counts]
    with_it = [*texts[:at], strange, *texts[at:]]
    numerals, _ = numerals_of(with_it)
    values, bad = read_numbers(pa.array([text.encode() for text in with_it], pa.binary()), numerals)
    others = np.arange(len(with_it)) != at
    assert not bad[others].any()
    assert np.rint(values[others] * 1000).tolist() == counts


@given(
    st.lists(st.integers(1000, 999_999), min_size=12, max_size=60),
    st.sampled_from([".", ","]),
    st.text("0123456789.,", max_size=9),
)
def test_numbers_that_may_be_thousands_are_read_alike_beside_any_cell_or_refused(
    counts: list[int], mark: str, strange: str
) -> None:
    def found(texts: list[str]) -> list[float] | None:
        try:
            numerals, _ = numerals_of(texts)
        except AmbiguousInput:
            return None
        column = pa.array([text.encode() for text in texts[: len(counts)]], pa.binary())
        return list(np.nan_to_num(read_numbers(column, numerals)[0], nan=-1).tolist())

    texts = [f"{count // 1000}{mark}{count % 1000:03d}" for count in counts]
    alone, beside = found(texts), found([*texts, strange])
    if alone is not None and beside is not None:
        assert all(other in (one, -1) for one, other in zip(alone, beside, strict=True))


def test_a_mark_between_thousands_is_taken_only_where_the_file_shows_it() -> None:
    texts = pa.array([b"1,234", b"1,234.5", b"1,234,567", b"1,2345", b" 7 ", b"", b"12'345.5", b"1 2"], pa.binary())
    values, bad = read_numbers(texts, Numerals("."))
    assert bad.tolist() == [True, False, False, True, False, False, False, True]
    assert values[[1, 2, 4, 6]].tolist() == [1234.5, 1_234_567, 7, 12_345.5]
    assert read_numbers(texts, Numerals(".", ","))[0][0] == 1234
