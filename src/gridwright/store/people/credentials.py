"""What opens doors, as it may be kept: passwords as scrypt hashes, keys and sessions as digests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass

from gridwright.domain.errors import InputError, StoreCorrupt

SHORTEST, LONGEST = 10, 1000
# Cost, block size and passes of scrypt: 16 MiB, five times, as OWASP's password storage sheet has it.
WORK = (2**14, 8, 5)
SIZE = 32
KEY, SESSION = "gw", "gs"
TOKEN = re.compile(r"gw_([0-9a-f]{8})_([A-Za-z0-9_-]{20,100})")


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """A fresh secret and its digest; it never shows itself in a message or a log."""

    id: str
    secret: str

    @property
    def text(self) -> str:
        """The token as its owner keeps it."""
        return f"{KEY}_{self.id}_{self.secret}"

    def __repr__(self) -> str:
        return f"<Token {KEY}_{self.id}_…>"


def new_token() -> Token:
    """Return a fresh key: the id is no secret, 256 random bits are."""
    return Token(secrets.token_hex(4), secrets.token_urlsafe(32))


def new_session() -> str:
    """Return a fresh session token of 256 random bits."""
    return f"{SESSION}_{secrets.token_urlsafe(32)}"


def read_token(text: str) -> Token | None:
    """Return the parts of a key, None for what cannot be one."""
    match = TOKEN.fullmatch(text)
    return None if match is None else Token(match[1], match[2])


def digest(text: str) -> str:
    """Return the SHA-256 that is kept instead of a secret with 256 random bits of its own."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare digests in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def hash_password(password: str) -> str:
    """Return the scrypt hash with its salt and cost; a password too short or too long is an InputError."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError(f"a password needs {SHORTEST} to {LONGEST} characters, this has {len(password)}")
    salt = secrets.token_bytes(16)
    parts = [_to_text(salt), _to_text(_scrypt(password, salt, WORK))]
    return "$".join(["scrypt", *map(str, WORK), *parts])


def is_password(password: str, stored: str | None) -> bool:
    """Tell whether it is the password; where there is none, the work is the same and the answer no."""
    method, *parts = (stored or _NOBODY).split("$")
    if method != "scrypt" or len(parts) != 5:  # noqa: PLR2004 - cost, block size, passes, salt, hash
        raise StoreCorrupt("a stored password hash cannot be read", remedy="set the user's password again")
    cost, block, passes = map(int, parts[:3])
    found = _scrypt(password[:LONGEST], _from_text(parts[3]), (cost, block, passes))
    return hmac.compare_digest(found, _from_text(parts[4])) and stored is not None


def _scrypt(password: str, salt: bytes, work: tuple[int, int, int]) -> bytes:
    # One spelling for letters that keyboards compose differently.
    plain = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    cost, block, passes = work
    return hashlib.scrypt(plain, salt=salt, n=cost, r=block, p=passes, maxmem=2**26, dklen=SIZE)


def _to_text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _from_text(text: str) -> bytes:
    return base64.b64decode(text)


_NOBODY = "$".join(["scrypt", *map(str, WORK), _to_text(bytes(16)), _to_text(bytes(SIZE))])
