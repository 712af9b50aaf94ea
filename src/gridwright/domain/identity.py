"""Who may ask: users with a role, and the API keys that speak for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gridwright.domain.access import Access, Role
from gridwright.domain.errors import InputError

MAX_NAME = 120


@dataclass(frozen=True, slots=True)
class User:
    """A person or machine with a role; `points`: the only usage points within reach (None = all)."""

    name: str
    role: Role
    points: frozenset[str] | None = None
    disabled: bool = False

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > MAX_NAME:
            raise InputError(f"user name {self.name!r} must have 1 to {MAX_NAME} characters")
        if self.name != self.name.strip() or not self.name.isprintable():
            raise InputError(f"user name {self.name!r} holds spaces around it, or signs that cannot be seen")
        if self.role is Role.CUSTOMER and not self.points:
            raise InputError(f"customer {self.name} needs a usage point", remedy="name it with --usage-point")

    @property
    def access(self) -> Access:
        """What this user may see and do."""
        return Access(self.name, self.role, self.points)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of a user as it may be shown: `id` is the part of the token behind `gw_` that is no secret."""

    id: str
    user: str
    label: str
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Tell whether it opens anything at `now`."""
        return self.revoked is None and (self.expires is None or now < self.expires)
