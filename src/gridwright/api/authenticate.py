"""Who asks: from the headers of a request to the Access of its key or session, remembered for a few seconds."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from gridwright.domain.access import Access
from gridwright.domain.errors import NotAuthenticated

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.store import Store

Headers = Mapping[str, str] | Iterable[tuple[bytes, bytes]]
COOKIE = "gridwright_session"
REMEMBERED_S = 3.0  # a revoked key opens nothing after this
REMEMBERED = 4096  # keys; the hot path of a thousand meters shares a few
LONGEST = 512
ASKED = ("authorization", "x-api-key", "cookie")
RAW_ASKED = {name.encode(): name for name in ASKED}
HOW = "send your API key as 'Authorization: Bearer KEY' or 'X-API-Key: KEY', or as the password of Basic authentication"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request shows: the token of an API key, or of a page session."""

    token: str = field(repr=False)
    session: bool = False

    @property
    def digest(self) -> bytes:
        """What it is remembered by, so that no token stays in memory."""
        return hashlib.sha256(f"{self.session} {self.token}".encode()).digest()


class Doorkeeper:
    """Asks the store who a token belongs to, and remembers the answer for REMEMBERED_S; refusals are never kept."""

    def __init__(self, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._known: dict[bytes, tuple[Access, float]] = {}

    def remembered(self, credential: Credential) -> Access | None:
        """Return the access found a moment ago, None when the store must be asked."""
        return self.remembered_by(credential.digest)

    def remembered_by(self, digest: bytes) -> Access | None:
        """Return the same by the digest of a credential."""
        found = self._known.get(digest)
        return found[0] if found is not None and self._ticks() < found[1] else None

    def ask(self, credential: Credential, platform: Platform) -> Access:
        """Return the access of a token; NotAuthenticated for one that opens nothing (any more)."""
        until = self._ticks() + REMEMBERED_S
        identities, now = platform.store.identities, platform.clock()
        if credential.session:
            access = identities.access_of_session(credential.token, now)
        else:
            access = identities.access_of(credential.token, now)
        if len(self._known) >= REMEMBERED:
            self._known = {}
        self._known[credential.digest] = (access, until)
        return access

    def forget(self) -> None:
        """Drop what is remembered: a key was revoked or a user changed."""
        self._known = {}


_doorkeepers: WeakKeyDictionary[Store, Doorkeeper] = WeakKeyDictionary()


def doorkeeper(platform: Platform) -> Doorkeeper:
    """Return the one doorkeeper of the platform's store."""
    found = _doorkeepers.get(platform.store)
    if found is None:
        found = _doorkeepers.setdefault(platform.store, Doorkeeper())
    return found


def access_of(headers: Headers, platform: Platform, *, cookies: bool = True) -> Access:
    """Return who asks, by Bearer, X-API-Key, Basic password or (with `cookies`) the page's session.

    NotAuthenticated where nothing is shown, or something that opens nothing. Asks the database at most every
    REMEMBERED_S for a token, so that a revoked key stops working within that time.
    """
    credential = credential_of(headers, cookies=cookies)
    keeper = doorkeeper(platform)
    return keeper.remembered(credential) or keeper.ask(credential, platform)


def credential_of(headers: Headers, *, cookies: bool = True) -> Credential:
    """Return what the headers show; NotAuthenticated when that is nothing."""
    shown = _asked(headers)
    credential = _of_authorization(shown.get("authorization", "")) or _of_key(shown.get("x-api-key", ""))
    if credential is None and cookies:
        credential = _of_cookie(shown.get("cookie", ""))
    if credential is None:
        raise NotAuthenticated("no key was shown", remedy=HOW)
    if len(credential.token) > LONGEST:
        raise NotAuthenticated("the key is too long to be one", remedy=HOW)
    return credential


def _asked(headers: Headers) -> dict[str, str]:
    """Return the headers that matter by their lower-case name; of repeated ones the first."""
    if isinstance(headers, Mapping):
        return {name.lower(): value for name, value in headers.items() if name.lower() in ASKED}
    found: dict[str, str] = {}
    for name, value in headers:
        if name in RAW_ASKED:  # ASGI servers give names in lower case
            found.setdefault(RAW_ASKED[name], value.decode("latin-1"))
    return found


def _of_authorization(text: str) -> Credential | None:
    if not text:
        return None
    scheme, _, rest = text.partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer" and rest:
        return Credential(rest)
    if scheme.lower() == "token" and rest:  # as clients of InfluxDB write it, with or without a user
        return Credential(rest.rpartition(":")[2])
    if scheme.lower() == "basic" and rest:
        return Credential(_password(rest))
    raise NotAuthenticated("the Authorization header shows no key", remedy=HOW)


def _password(text: str) -> str:
    try:
        pair = base64.b64decode(text, validate=True).decode()
    except ValueError as error:  # no base64, no UTF-8, or not even ASCII
        raise NotAuthenticated("the Basic credentials are not base64 of user:password", remedy=HOW) from error
    _, colon, password = pair.partition(":")
    if not colon or not password:
        raise NotAuthenticated("the Basic credentials have no password", remedy=HOW)
    return password


def _of_key(text: str) -> Credential | None:
    return Credential(text.strip()) if text.strip() else None


def _of_cookie(text: str) -> Credential | None:
    for part in text.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value:
            return Credential(value.strip('"'), session=True)
    return None
