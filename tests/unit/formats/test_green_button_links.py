"""Links that are written plainly, and blocks of one collection, are read as any others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gridwright.formats.green_button.entries import PLAIN_LINK, Entry, read_entry
from gridwright.formats.green_button.feed import Feed, Kind
from gridwright.formats.markup.guard import Prolog, attributes, is_sound
from gridwright.formats.source import ReadOptions

PARTS = (" ", "\t", "rel=", "href=", '"self"', '"up"', '"', "'", "/", "=", "&amp;", "%2F", "UsagePoint/1", "<", "x", "")
SEGMENTS = ("RetailCustomer", "UsagePoint", "MeterReading", "IntervalBlock", "1", "2", "resource", "")
raws = st.lists(st.sampled_from(PARTS), max_size=9).map("".join) | st.sampled_from(
    (' rel="self" href="/espi/resource/UsagePoint/1%2F2"/', ' href="https://x/resource/a" rel="up" /')
)
addresses = st.lists(st.sampled_from(SEGMENTS), max_size=8).map("/".join)


@given(raws, st.sampled_from(["utf-8", "cp864"]))
def test_a_plain_link_means_what_its_attributes_say(raw: str, encoding: str) -> None:
    prolog = Prolog("feed", "", "", encoding)
    links = read_entry(f"<link{raw}>".encode(), 0, prolog).links
    told = attributes(raw.encode())
    href = prolog.text(told.get("href", "").encode()).partition("/resource/")
    meant = (told.get("rel", ""), (href[2] if href[1] else href[0]).strip("/"))
    assert not PLAIN_LINK.fullmatch(raw.encode()) or links == (meant,)
    assert all(is_sound(raw.encode()) and link == meant for link in links)


def a_feed(kinds: int, related: bool) -> Feed:
    """Build a feed of two meter readings, with types that links lead to, or their order."""
    feed = Feed(ReadOptions())
    feed.kinds = {f"ReadingType/{number}": Kind(f"kind {number}") for number in range(kinds)}
    feed.kind_places = [(100 * number, where) for number, where in enumerate(feed.kinds)]
    for number in (1, 2):
        where = f"RetailCustomer/1/UsagePoint/{number}/MeterReading/{number}"
        feed.readings[where] = Entry(0, "MeterReading", (("related", "ReadingType/0"),) if related else ())
        feed.readings[f"MeterReading/{number}"] = Entry(0, "MeterReading", ())
        feed.reading_places.append((150 * number, where))
    feed.point_links, feed.point_places = {"UsagePoint/1/x": "linked"}, [(50, "first"), (170, "second")]
    return feed


@given(st.lists(st.tuples(addresses, addresses, st.integers(0, 400)), max_size=6), st.integers(0, 2), st.booleans())
def test_a_block_comes_from_where_it_would_alone(blocks: list[tuple[str, str, int]], kinds: int, related: bool) -> None:
    feed = a_feed(kinds, related)
    for own, above, place in blocks:
        block = Entry(place, "IntervalBlock", (("self", own), ("up", above)))
        assert feed.source_of(block) == a_feed(kinds, related).source_of(block)


def test_blocks_of_one_collection_are_looked_up_once() -> None:
    feed = a_feed(1, related=True)
    where = "RetailCustomer/1/UsagePoint/1/MeterReading/1/IntervalBlock"
    first, second = (feed.source_of(Entry(at, "IntervalBlock", (("self", f"{where}/{at}"),))) for at in (10, 20))
    assert first is second
