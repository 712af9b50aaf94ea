"""Tags as columns: what is found, what damage costs, what is refused, and that numbers are exact."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.errors import UnreadableFile
from gridwright.formats.markup import cut, pieces, read_prolog, read_tags, records
from gridwright.formats.markup.numbers import decimal_numbers, distinct, whole_numbers
from gridwright.formats.markup.tags import BROKEN, PAD, _padded

NAMES = ("r", "a", "b", "longer.than_sixteen-letters")


def spans(texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    starts = PAD + np.cumsum([0, *(len(text) + 1 for text in texts)])[:-1]
    return _padded("|".join(texts).encode()), starts, starts + np.array([len(text) for text in texts], np.int64)


def leaves(text: str, name: str = "a", level: int = 1) -> list[str]:
    tags = read_tags(text.encode(), 1, NAMES)
    leaf = records(tags, "r").leaf(name, level)
    return [tags.shown(start, end) for start, end in zip(leaf.start.tolist(), leaf.end.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<r><a>1</a></r><r><a>2</a></r>", ["1", "2"]),
        ("<x:r xmlns:x='u'><x:a> 1 </x:a></x:r>", ["1"]),
        ("<r id=\"1>2\"><a unit='>'>1</a></r>", ["1"]),
        ("<r><!-- <a>0</a> --><a>1<!-- old --></a></r>", ["1"]),
        ("<r><a><![CDATA[1]]></a></r>", ["1"]),
        ("<r >\n<a\n>1</a ></r\n>", ["1"]),
        ("<r><b><a>1</a></b></r>", []),
        ("<r><a>1<b/></a></r>", []),
        ("<r/><r><a>1</a></r>", ["1"]),
        ("<y:r><y:a>1</y:a></y:r>", ["1"]),
        ("<y:r><y:a>1</z:a></y:r>", []),
        (f"<x>{'.' * 20_000}</x><late:r b='1'><late:a>1</late:a></late:r>", ["1"]),
    ],
)
def test_tags_are_found_as_xml_has_them(text: str, found: list[str]) -> None:
    assert leaves(text) == found


@pytest.mark.parametrize(
    "damage",
    [
        "<r><a>9</b></r>",
        "<r><a>9</r>",
        "<r>a>9</a></r>",
        "<r><a9</a></r>",
        "<r><a>9</a><",
        "<r><a>9</a>",
        "<a>9</a></r>",
    ],
)
def test_damage_costs_the_record_that_it_is_in(damage: str) -> None:
    text = f"<r><a>1</a></r>{damage}<r><a>2</a></r>"
    tags = read_tags(text.encode(), 1, NAMES)
    found = records(tags, "r")
    assert leaves(text) == ["1", "2"]
    assert found.torn.size >= 1


def test_a_comment_that_lost_its_end_shows() -> None:
    text = "<r><a>1<!-- x -- ></a></r>\n<r><a>2<!-- y --></a></r><r><a>3</a></r>"
    assert leaves(text) == ["3"]


@pytest.mark.parametrize("more", ["", "<?pi?>", "<!-- a - b -->", "<![CDATA[x]]>"])
@pytest.mark.parametrize(
    "comment", ["<!-- <a>0</a>\n-->", "<!---->", "<!-->", "<!--->", "<!-- a--b -->", "<!-x-->", "-- --"]
)
def test_comments_alone_are_as_comments_among_others(comment: str, more: str) -> None:
    """Two ways lead to the same: all comments at once, and one aside after the other."""
    text = f"<r><a>1</a></r>{comment}<r><a>2{more}</a></r>\n<r><a>3</a></r>"
    found = [one.removesuffix("x").strip() for one in leaves(text)]
    assert found[0] == "1"
    assert set(found) <= {"1", "2", "3"}
    if comment in {"<!-- <a>0</a>\n-->", "<!---->", "-- --"}:
        assert found == ["1", "2", "3"]
        tags = read_tags(text.encode(), 1, NAMES)
        assert tags.lines(tags.start[-1:]).tolist() == [text.count("\n") + 1]


@given(st.lists(st.integers(-(10**15) + 1, 10**15 - 1), min_size=1, max_size=30))
def test_whole_numbers_are_exact(numbers: list[int]) -> None:
    values, wrong = whole_numbers(*spans([str(number) for number in numbers]))
    assert values.tolist() == numbers
    assert not wrong.any()


@given(st.lists(st.decimals(-(10**7), 10**7, places=6), min_size=1, max_size=30), st.integers(-3, 6))
def test_decimal_numbers_are_rounded_once(numbers: list[Decimal], places: int) -> None:
    texts = [format(number, "f") for number in numbers]
    text, start, end = spans(texts)
    values, wrong = decimal_numbers(text, start, end, np.full(len(texts), places))
    assert values.tolist() == [float(number.scaleb(places)) for number in numbers]
    assert not wrong.any()


@pytest.mark.parametrize("text", ["x", "1.2.3", "--1", "1e999", "NaN", "9" * 400, "1 2", "1.2345678x"])
def test_what_is_no_number_is_said_to_be_none(text: str) -> None:
    _, wrong = decimal_numbers(*spans([text]), np.zeros(1, np.int64))
    assert wrong.tolist() == [True]


@given(st.lists(st.binary(max_size=20).map(bytes.hex), max_size=30))
def test_distinct_words_are_told_apart(words: list[str]) -> None:
    known, which = distinct(*spans(words or [""]))
    assert [known[at].decode() for at in which.tolist()] == (words or [""])


def test_pieces_begin_with_elements_and_never_within_comments() -> None:
    data = memoryview(b"<f>\n<e>1</e>\n<!-- <e>no</e> -->\n<e>2</e>\n<ex/>\n<e>3</e></f>")
    pieces = [(bytes(data[c.start : c.end]), c.first_line) for c in cut(data, b"<e", 5)]
    assert b"".join(piece for piece, _ in pieces) == bytes(data)
    assert [(piece[:6], line) for piece, line in pieces] == [(b"<f>\n<e", 1), (b"<e>2</", 4), (b"<e>3</", 6)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>', "DOCTYPE is refused"),
        (b"<?xml version='1.0'?>\n<!-- c -->\n<!DOCTYPE r><r/>", "line 3"),
        (b"<!ENTITY a 'b'><r/>", "ENTITY is refused"),
        (b"<?xml version='1.0' encoding='cp037'?><r/>", "encoding 'cp037'"),
        (b"<?xml version='1.0' encoding='no-such'?><r/>", "encoding 'no-such'"),
        ("<r/>".encode("utf-16"), "UTF-16"),
        (b"  ", "empty"),
        (b"<", "no root"),
        (b"<!-- never closed <r/>", "without an end"),
    ],
)
def test_what_hides_before_the_root_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(UnreadableFile, match=said):
        read_prolog(memoryview(data), "f")


def test_the_root_is_named_with_its_namespace() -> None:
    prolog = read_prolog(
        memoryview(b"\xef\xbb\xbf<?xml version='1.0' encoding='latin1'?><m:R a='1' xmlns:m=\"urn:x\"/>"), "f"
    )
    assert (prolog.root, prolog.prefix, prolog.namespace, prolog.encoding) == ("R", "m", "urn:x", "iso8859-1")
    assert prolog.text(b" K\xf8ge &amp; &#248; &nbsp; ") == "Køge & ø &nbsp;"
    assert prolog.name(b"A & B") == ""


@given(
    st.lists(
        st.sampled_from([b"<entry", b"<entry>", b"<entry ", b"<entr", b"y", b">", b"<", b"<entryx", b"\n", b"/", b"ab"])
    ),
    st.integers(1, 9),
    st.integers(0, 12),
)
def test_places_of_elements_are_those_of_their_marks_whatever_the_window(
    parts: list[bytes], window: int, start: int
) -> None:
    data, mark = b"".join(parts), b"<entry"
    expected = [
        at
        for at in range(start, len(data))
        if data.startswith(mark, at) and data[at + len(mark) : at + len(mark) + 1] in {b"", b" ", b"\n", b">", b"/"}
    ]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pieces, "WINDOW", window)
        assert list(pieces.positions(memoryview(data), mark, start)) == expected


@pytest.mark.parametrize("sign", ["!", "?"])
def test_what_is_left_of_a_torn_aside_is_a_broken_tag(sign: str) -> None:
    for text in (f"<a><{sign}x</a>", f"<a>1</a><{sign}", f"<{sign}-- a -- ><a>1</a>"):
        tags = read_tags(text.encode(), 1, ("a",))
        assert (tags.kind == BROKEN).any(), text
    assert not (read_tags(b"<a><b>!</b>?</a>", 1, ("a",)).kind == BROKEN).any()
