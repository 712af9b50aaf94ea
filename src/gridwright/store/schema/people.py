"""Tables of who may ask: users, their keys and sessions, and answers kept for a repeated request.

Nothing here opens a door: passwords are scrypt hashes, keys and sessions SHA-256 digests.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, SmallInteger, String, Table, Text

from gridwright.store.schema import bytes_type, key_type, metadata, name_type

user_account = Table(
    "user_account",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("name", name_type(), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("every_point", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("password", String(200)),
    Column("created_us", BigInteger, nullable=False),
)
# By name, not by key: a user may be told what they will see before it is registered.
user_point = Table(
    "user_point",
    metadata,
    Column("user_account", ForeignKey("user_account.id"), primary_key=True, autoincrement=False),
    Column("usage_point", name_type(), primary_key=True),
)
api_key = Table(
    "api_key",
    metadata,
    Column("id", name_type(16), primary_key=True),
    Column("user_account", ForeignKey("user_account.id"), nullable=False),
    Column("label", String(200), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("revoked_us", BigInteger),
    Index(None, "user_account"),
)
user_session = Table(
    "user_session",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user_account", ForeignKey("user_account.id"), nullable=False),
    Column("api_key", ForeignKey("api_key.id")),
    Column("created_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Index(None, "user_account"),
    Index(None, "api_key"),
    Index(None, "expires_us"),
)
# By the digest of the name that was typed, whether a user has it or not: somebody types a password there one day.
sign_in_failure = Table(
    "sign_in_failure",
    metadata,
    Column("name_digest", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Index(None, "since_us"),
)
stored_answer = Table(
    "stored_answer",
    metadata,
    Column("actor", name_type(200), primary_key=True),
    Column("key", name_type(200), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("body", bytes_type(), nullable=False),
    Column("media_type", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index(None, "at_us"),
)
