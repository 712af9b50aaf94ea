"""XML as columns: tags found by the million, records by their tags, and nothing that a hostile document could use."""

from gridwright.formats.markup.guard import Prolog, fault, head_holds, read_prolog
from gridwright.formats.markup.pieces import cut, is_cut_off, line_of, positions
from gridwright.formats.markup.records import Leaf, Records, records
from gridwright.formats.markup.tags import Tags, Vocabulary, read_tags, vocabulary

__all__ = [
    "Leaf",
    "Prolog",
    "Records",
    "Tags",
    "Vocabulary",
    "cut",
    "fault",
    "head_holds",
    "is_cut_off",
    "line_of",
    "positions",
    "read_prolog",
    "read_tags",
    "records",
    "vocabulary",
]
