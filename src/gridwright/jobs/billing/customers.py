"""Whose usage points they are: a master meter's energy is the sum of others, and nobody's."""

from __future__ import annotations

from gridwright.domain.access import Access
from gridwright.store import Store


def customers(store: Store, access: Access) -> list[str]:
    """Return every usage point that may be seen and is somebody's, without the master meters of the network."""
    masters = store.network.topology(access).masters
    return [point.id for point in store.registry.points(access) if point.id not in masters]
