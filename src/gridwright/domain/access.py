"""Access: who asks, and what they may see and do. A parameter of every store method, so it cannot be forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gridwright.domain.errors import AccessDenied


class Role(StrEnum):
    """What a person or machine is."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    OPERATOR = "operator"
    BILLER = "biller"
    CUSTOMER = "customer"
    ADMIN = "admin"
    # A machine that delivers readings: a key on a thousand meters must open nothing else.
    DEVICE = "device"


class Act(StrEnum):
    """What can be done to what is stored."""

    READ = "read"
    READ_BILLS = "read bills"
    WRITE_READINGS = "write readings"
    WRITE_REGISTRY = "change the registry"
    WRITE_BILLS = "write bills"
    CONTROL = "control devices"
    ADMINISTER = "administer"


ALLOWED: dict[Role, frozenset[Act]] = {
    Role.VIEWER: frozenset({Act.READ}),
    Role.ANALYST: frozenset({Act.READ, Act.READ_BILLS}),
    Role.OPERATOR: frozenset({Act.READ, Act.WRITE_READINGS, Act.WRITE_REGISTRY, Act.CONTROL}),
    Role.BILLER: frozenset({Act.READ, Act.READ_BILLS, Act.WRITE_BILLS}),
    Role.CUSTOMER: frozenset({Act.READ, Act.READ_BILLS}),
    Role.ADMIN: frozenset(Act),
    Role.DEVICE: frozenset({Act.WRITE_READINGS}),
}


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks: name, role, and, for a customer, the only usage points they may see (None = all)."""

    actor: str
    role: Role
    points: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.role is Role.CUSTOMER and self.points is None:
            raise AccessDenied(f"customer {self.actor} needs a list of usage points")

    def require(self, act: Act, point: str | None = None) -> None:
        """Raise AccessDenied unless the act (on `point`) is allowed."""
        if act not in ALLOWED[self.role]:
            raise AccessDenied(f"{self.actor} is a {self.role} and may not {act}")
        if point is not None and not self.may_see(point):
            raise AccessDenied(f"{self.actor} may not see usage point {point}")

    @property
    def may_say_edited(self) -> bool:
        """Tell whether readings may come marked as edited by a person: others edit by `edit`, which two see."""
        return Act.ADMINISTER in ALLOWED[self.role]

    def may_see(self, point: str) -> bool:
        """Tell whether the usage point is within reach."""
        return self.points is None or point in self.points


# The owner of an embedded installation: the person at the keyboard, who can read the file anyway.
LOCAL_OWNER = Access("local", Role.ADMIN)
