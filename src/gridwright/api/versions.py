"""Versions of a day: what was known when."""

from __future__ import annotations

from gridwright.api.blocks import amounts, names_of
from gridwright.api.shapes.points import VersionShape
from gridwright.api.shapes.shape import Period
from gridwright.store.readings import Version


def version_shape(version: Version) -> VersionShape:
    """Return a version of a day as JSON shows it, in the unit of its interval blocks."""
    panel = version.block.panel
    values = [None if value != value else value for value in amounts(panel).tolist()]  # noqa: PLR0124 - NaN
    return VersionShape(
        revision=version.revision,
        known_at=version.known_at,
        period=Period.of(panel.period),
        values=values,
        quality=names_of(panel.quality[0]),
    )
