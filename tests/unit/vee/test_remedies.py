"""What to do about a finding: told for every code, in the words of the reference."""

from __future__ import annotations

import re
from pathlib import Path

from gridwright.vee.remedies import what_to_do

PAGE = Path(__file__).parents[3] / "docs/reference/findings.md"


def documented() -> dict[str, str]:
    rows = (re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in PAGE.read_text(encoding="utf-8").splitlines())
    return {row[0].strip(" `"): row[4].strip() for row in rows if len(row) == 5 and re.match(r" `[VE]\d\d_", row[0])}


def test_every_code_says_what_helps_as_the_reference_does() -> None:
    pages = documented()
    assert len(pages) > 35
    for code, words in pages.items():
        assert what_to_do(code), code
        assert words.startswith(what_to_do(code)), code
    assert what_to_do("V99_unknown") == ""
