"""Paths by their segments: escaped in one way, whatever the client wrote."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.api.segments import escaped

NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        (b"/v1/usage-points/9b6c%2F01", "/v1/usage-points/9b6c%2F01"),
        (b"/v1/usage-points/9b6c%2f01", "/v1/usage-points/9b6c%2F01"),
        (b"/v1/usage-points/9b6c/01", "/v1/usage-points/9b6c/01"),
        (b"/v1/usage%2Dpoints", "/v1/usage-points"),
        ("/Straße 7".encode(), "/Stra%C3%9Fe%207"),
        (b"/x%2ecsv", "/x%2Ecsv"),
        (b"/100%", "/100%25"),
        (b"/%00", "/%00"),
    ],
)
def test_a_path_is_escaped_in_one_way(written: bytes, seen: str) -> None:
    assert escaped({"raw_path": written, "path": ""}) == seen


def test_a_server_that_keeps_no_raw_path_is_served_all_the_same() -> None:
    assert escaped({"path": "/v1/usage-points/Straße 7"}) == "/v1/usage-points/Stra%C3%9Fe%207"


@given(names=st.lists(NAMES, min_size=1, max_size=4))
def test_names_come_back_one_a_segment(names: list[str]) -> None:
    raw = "".join(f"/{quote(name, safe='')}" for name in names).encode()
    assert [unquote(each) for each in escaped({"raw_path": raw, "path": ""}).split("/")[1:]] == names
