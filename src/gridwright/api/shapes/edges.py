"""Edges as JSON shows them."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from gridwright.api.shapes.shape import Shape


class EdgeShape(Shape):
    """An edge: when it was last heard, how late it is, what it still holds, and what was lost on the way."""

    edge: str
    actor: str = Field(description="Whose key it sends with.")
    last_contact: datetime
    lag_s: float = Field(description="Age of the oldest record that it holds and the centre does not have.")
    waiting: int = Field(description="Records that it holds, at its last contact.")
    clock_ahead_s: float = Field(description="Its clock less the centre's, at its last contact.")
    dropped: int = Field(description="Records it dropped because its buffer was full, in all.")
    lost: int = Field(description="Numbers that never came, dropped or damaged, as the edge told.")
    readings: int = Field(description="Readings taken from it, in all.")
    rejected: int = Field(description="Readings refused; the edge keeps them in a file.")
    epoch: str = Field(description="The run of its buffer that it sends now.")
    shared_by: list[str] = Field(
        description="Where processes run that send under this name at once; one that is alone is not listed."
    )
    acknowledged: int = Field(description="The number in that epoch up to which all is durable.")
