"""What all shapes share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from gridwright.api.parameters import Instant
from gridwright.domain.interval import Interval


class Shape(BaseModel):
    """An answer, read from a domain object by its attributes."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True, frozen=True)

    @classmethod
    def of(cls, noun: Any, **more: Any) -> Self:  # noqa: ANN401 - any noun of the domain
        """Return the shape of a noun; `more`: fields that the noun itself does not know."""
        names = [name for name in cls.model_fields if name not in more and hasattr(noun, name)]
        return cls.model_validate({**{name: getattr(noun, name) for name in names}, **more})


class Request(BaseModel):
    """A body that a client sends; a field nobody knows is refused, for it is a mistake."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, frozen=True)


class Period(Shape):
    """A half-open period [from, to)."""

    start: Annotated[datetime, Field(alias="from")]
    end: Annotated[datetime, Field(alias="to")]


class PeriodAsked(Request):
    """A half-open period [from, to)."""

    start: Annotated[Instant, Field(alias="from", examples=["2026-11-26T17:00:00Z"])]
    end: Annotated[Instant, Field(alias="to", examples=["2026-11-26T19:00:00Z"])]

    @property
    def interval(self) -> Interval:
        """The period as the domain has it."""
        return Interval(self.start, self.end)


class ObjectShape(BaseModel):
    """A computed object; its members are described beside what computes it."""

    model_config = ConfigDict(extra="allow")


Exact = Annotated[Any, PlainSerializer(lambda value: format(value, "f"), return_type=str)]


class Problem(BaseModel):
    """What an error looks like (RFC 9457)."""

    type: str = Field(examples=["/docs/errors#NotFound"])
    title: str
    status: int
    detail: str
    instance: str
    where: str = Field(default="", description="The place of the mistake, where there is one.")
    remedy: str = Field(default="", description="What helps.")
    errors: list[dict[str, str]] = Field(
        default=[], description="Each parameter that is not valid, by `in` and `name`."
    )
