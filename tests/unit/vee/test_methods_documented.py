"""The reference of estimation methods names each of the ten, by its word and the code that NEM12 has for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gridwright.domain import quality as q
from gridwright.formats.writer import quality_word

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "estimation.md"
ROWS = dict(re.findall(r"^\| (E\d\d) \|(.*)\|$", PAGE.read_text(), re.MULTILINE))
TEN = [method for method in q.Method if q.Method.NONE < method < q.Method.REGISTER]


def test_the_page_has_the_ten_methods() -> None:
    assert list(ROWS) == [f"E{method:02d}" for method in TEN]


@pytest.mark.parametrize("method", TEN)
def test_each_is_told_by_its_word_and_code(method: q.Method) -> None:
    *_, shown, code = (cell.strip() for cell in ROWS[f"E{method:02d}"].split("|"))
    status = q.Status.EDITED if method is q.Method.AGREED else q.Status.ESTIMATED
    assert shown.strip("`") == quality_word(q.pack(status, method))
    assert int(code) == q.NEM12_METHOD[method]
