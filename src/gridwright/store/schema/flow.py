"""Tables of data on its way and at rest: journal, streams of edges, months in the archive, keys of sealed columns."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table, UniqueConstraint

from gridwright.store.schema import bytes_type, key_type, long_text, metadata, name_type

# An edge numbers its batches; `epoch` names the buffer that counts, so that a new buffer may begin at 1 again.
edge_stream = Table(
    "edge_stream",
    metadata,
    Column("edge", name_type(), primary_key=True),
    Column("epoch", name_type(64), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("readings", BigInteger, nullable=False),
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    # Seconds by which the edge's clock was ahead at its last batch, and what it still holds.
    Column("clock_ahead_ms", BigInteger, nullable=False),
    Column("waiting", BigInteger, nullable=False),
    Column("dropped", BigInteger, nullable=False),
    # Who its readings come from: the first to use the name keeps it.
    Column("actor", name_type(200), nullable=False),
    Column("rejected", BigInteger, nullable=False),
    # Numbers that the edge itself has lost, and when the oldest record that waits came in.
    Column("lost", BigInteger, nullable=False),
    Column("oldest_us", BigInteger),
    # What became of the last batch's records, for an edge that never got the answer, and which process sent it (JSON).
    Column("verdicts", long_text(), nullable=False),
)
archive_part = Table(
    "archive_part",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("reading_type", Integer, nullable=False),
    # UTC month as year * 12 + month - 1.
    Column("month", Integer, nullable=False),
    # Its UTC days [from_day, to_day): the database lets earlier images go only of months that are being moved.
    Column("from_day", Integer, nullable=False),
    Column("to_day", Integer, nullable=False),
    Column("place", long_text(), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("blocks", BigInteger, nullable=False),
    Column("readings", BigInteger, nullable=False),
    # Sum of all values in counts, as text: conservation is checked against it.
    Column("total", String(60), nullable=False),
    # Sum of the blocks' revisions: with their number it tells whether one changed since.
    Column("revisions", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("archived_us", BigInteger, nullable=False),
    Column("dropped_us", BigInteger),
    UniqueConstraint("reading_type", "month"),
)
# Readings that are acknowledged and not yet in their blocks, packed as `journal_rows.py` says; the content comes last,
# so that whoever counts does not read it. Rows are few, short-lived, and folded in the order of their keys.
journal = Table(
    "journal",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("received_us", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("readings", BigInteger, nullable=False),
    Column("content", bytes_type(), nullable=False),
    # A key is never given twice: it tells what came before what.
    sqlite_autoincrement=True,
)
# What could not be folded, and why: kept until a person has it tried again, or lets it go.
journal_aside = Table(
    "journal_aside",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("received_us", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("readings", BigInteger, nullable=False),
    Column("aside_us", BigInteger, nullable=False),
    Column("reason", long_text(), nullable=False),
    Column("content", bytes_type(), nullable=False),
    sqlite_autoincrement=True,
)
# The keys that seal columns, each wrapped by a master key that lies outside the database; `master` names it.
data_key = Table(
    "data_key",
    metadata,
    Column("id", name_type(16), primary_key=True),
    Column("master", name_type(16), nullable=False),
    Column("wrapped", bytes_type(), nullable=False),
    Column("created_us", BigInteger, nullable=False),
)
# Who does what only one process may do at a time: a row that no longer counts on is of a holder that was killed.
lease = Table(
    "lease",
    metadata,
    Column("id", name_type(40), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("token", String(32), nullable=False),
    Column("beats", BigInteger, nullable=False),
    Column("since_us", BigInteger, nullable=False),
)
