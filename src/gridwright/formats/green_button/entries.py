"""Atom entries: where they are, how they link to each other, and the plain texts of the small ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from gridwright.formats.markup import Prolog, positions, read_tags, records
from gridwright.formats.markup.guard import attributes, is_sound

HEAD_BYTES = 1 << 14
LONGEST = 1000  # characters of an address
LINK = re.compile(rb"<(?:[\w.\-]+:)?link\b([^<>]*)>")
# Nothing in it is written otherwise than it is meant.
REL, HREF = rb"\s+rel=\"([A-Za-z]+)\"", rb"\s+href=\"([A-Za-z0-9_:/.%-]*)\""
PLAIN_LINK = re.compile(rb"(?:%b%b|%b%b)\s*/?\s*" % (REL, HREF, HREF, REL))
CONTENT = re.compile(rb"<(?:[\w.\-]+:)?content\b[^<>]*>(?>\s*+<!--.*?-->)*+\s*<(?:[\w.\-]+:)?([\w.\-]+)", re.DOTALL)
LEAF = re.compile(rb"<(?:[\w.\-]+:)?([\w.\-]+)(?:\s[^<>]*)?>([^<>]{0,4096})</(?:[\w.\-]+:)?\1\s*>")
ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
UNSAFE = re.compile(rb"[^A-Za-z0-9._~-]")
# What readings depend on; a MeterReading has no content of its own.
JOINING = ("ReadingType", "LocalTimeParameters")
RESOURCES = re.compile(r"^.*?/resource/")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its place, what its content is, its links (rel, address) and, where it is small, its texts.

    `damaged`: tags of its content do not fit each other.
    """

    place: int
    content: str
    links: tuple[tuple[str, str], ...]
    texts: dict[str, str] = field(default_factory=dict, hash=False)
    damaged: bool = False

    @property
    def own(self) -> str:
        """Address of the entry itself."""
        return next((address for rel, address in self.links if rel == "self"), "")

    @property
    def above(self) -> str:
        """Address of the collection that it belongs to."""
        return next((address for rel, address in self.links if rel == "up"), "")

    def related(self) -> Iterator[str]:
        """Yield the addresses that it is related to."""
        return (address for rel, address in self.links if rel == "related")


def read_entry(head: bytes, place: int, prolog: Prolog) -> Entry:
    """Read the beginning of an entry, which is all of it unless it holds readings."""
    content = CONTENT.search(head)
    name = content.group(1).decode("ascii", "replace") if content else ""
    upper = head[: content.start()] if content else head
    links = tuple(link for raw in LINK.findall(upper) if (link := _link(raw, prolog)) is not None)
    texts = {} if name == "IntervalBlock" else _texts(head, prolog)
    return Entry(place, name, links, texts, name in JOINING and _is_damaged(head, name))


def _link(raw: bytes, prolog: Prolog) -> tuple[str, str] | None:
    """Return what a link is and its address; None where its tag is damaged."""
    plain = PLAIN_LINK.fullmatch(raw)
    if plain is None:
        return _odd_link(raw, prolog)
    return (plain[1] or plain[4]).decode(), address(prolog.text(plain[2] if plain[1] else plain[3]))


@lru_cache(maxsize=64)  # the blocks of a meter are in one collection, to which each of them links
def _odd_link(raw: bytes, prolog: Prolog) -> tuple[str, str] | None:
    if not is_sound(raw):
        return None
    told = attributes(raw)
    return told.get("rel", ""), address(prolog.text(told.get("href", "").encode()))


def entries(data: memoryview, prolog: Prolog) -> Iterator[Entry]:
    """Yield every entry of a feed; of those that hold readings, the place alone."""
    opening, closing = b"<" + prolog.tag("entry"), b"</" + prolog.tag("entry")
    for place in positions(data, opening):
        head = bytes(data[place : place + HEAD_BYTES])
        content = CONTENT.search(head)
        blocks = content is not None and content.group(1) == b"IntervalBlock"
        # Most hold readings, and their head goes on long behind: where the entry ends is looked for before these.
        reach = content.end() if content is not None and blocks else len(head)
        ends = [end for end in (head.find(closing, 0, reach), head.find(opening, 1, reach)) if end >= 0]
        if blocks and not ends:
            yield Entry(place, "IntervalBlock", ())
            continue
        yield read_entry(head[: min(ends)] if ends else head, place, prolog)


def _is_damaged(head: bytes, name: str) -> bool:
    return records(read_tags(head, 1, (name,)), name).size != 1


def address(href: str) -> str:
    """Return an address from its resource root on, so that absolute and relative ones meet."""
    return RESOURCES.sub("", href[:LONGEST], count=1).strip("/")


def quoted(name: str) -> str:
    """Return a name as one segment of an address."""
    return UNSAFE.sub(lambda match: b"%%%02X" % match.group()[0], name.encode()).decode()


def unquoted(segment: str) -> str:
    """Return the name that a segment of an address stands for."""
    raw = ESCAPED.sub(lambda match: bytes([int(match.group(1), 16)]), segment.encode("utf-8", "replace"))
    return raw.decode("utf-8", "replace")


def _texts(head: bytes, prolog: Prolog) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, raw in LEAF.findall(head):
        texts.setdefault(name.decode("ascii", "replace"), prolog.text(raw))
    return texts
