"""Sets of validation rules, as answers show them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from gridwright.api.shapes.shape import Shape


class RuleChangeShape(Shape):
    """One limit or condition that is another than in the rules before."""

    group: str
    rule: str = Field(description="Empty: a condition of the group, or the group itself.")
    name: str = Field(description="Empty: the rule as a whole came or went.")
    before: Any
    after: Any


class RulePeriodShape(Shape):
    """From when to when a set of rules was in force."""

    since: Annotated[datetime, Field(alias="from")]
    until: Annotated[datetime | None, Field(alias="to", description="Null: they are in force now.")]
    digest: str
    version: str
    source: str | None = Field(description="File that they were read from; empty: the packaged ones; null: unknown.")
    by: str = Field(description="Who put them in force; empty where the audit chain does not tell it.")
    changes: list[RuleChangeShape] | None = Field(description="What differs from those before; null: there are none.")
    note: str = Field(description="What is doubtful about the version: another file's rules had it too.")


class RuleSetShape(Shape):
    """A set of rules with every group as it was resolved."""

    digest: str
    version: str
    known_at: datetime = Field(description="When it was first in force.")
    groups: list[dict[str, Any]]
    estimation: dict[str, Any]
