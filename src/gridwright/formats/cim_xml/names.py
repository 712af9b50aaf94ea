"""Names and references inside elements of CIM messages."""

from __future__ import annotations

from collections.abc import Mapping

from gridwright.domain.usage_point import MAX_ID
from gridwright.formats.markup import Prolog, Records, Tags, enclosing
from gridwright.formats.markup.guard import attributes, is_sound
from gridwright.formats.markup.numbers import distinct
from gridwright.formats.markup.tags import Index


def named(found: Records, spans: tuple[Index, Index], prolog: Prolog) -> Mapping[int, str]:
    """Return the mRID, else the first name, of the element in each span that has one."""
    tags = found.tags
    owner = enclosing(*spans, found.places)
    names: dict[int, str] = {}
    for leaf in (found.leaf("mRID", 1), found.leaf("name", 2)):
        for record, start, end in zip(leaf.record.tolist(), leaf.start.tolist(), leaf.end.tolist(), strict=True):
            text = prolog.name(tags.text[start : min(end, start + 4 * MAX_ID)].tobytes())
            if owner[record] >= 0 and text:
                names.setdefault(int(owner[record]), text)
    return names


def references(tags: Tags, start: Index, end: Index) -> tuple[list[str], Index]:
    """Return the different `ref` attributes of some tags, whose attributes stand there, and which each tag has."""
    written, which = distinct(tags.text, start, end)
    return [attributes(raw).get("ref", "").strip() if is_sound(raw) else "" for raw in written], which
