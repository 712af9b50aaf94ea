"""XML as columns: tags found by the million, records by their tags, and nothing that a hostile document could use."""

from gridwright.formats.markup.alike import Kept, read_records
from gridwright.formats.markup.guard import Prolog, fault, head_holds, read_prolog
from gridwright.formats.markup.pieces import cut, positions
from gridwright.formats.markup.records import Leaf, Records, enclosing, records
from gridwright.formats.markup.refusals import Refusals, cut_off, oversized
from gridwright.formats.markup.tags import Tags, Vocabulary, read_tags, vocabulary

__all__ = [
    "Kept",
    "Leaf",
    "Prolog",
    "Records",
    "Refusals",
    "Tags",
    "Vocabulary",
    "cut",
    "cut_off",
    "enclosing",
    "fault",
    "head_holds",
    "oversized",
    "positions",
    "read_prolog",
    "read_records",
    "read_tags",
    "records",
    "vocabulary",
]
