"""Tell a running server what hangs where, as an integrator would by HTTP; told again, it is content."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from gridwright.simulate.delivery.entrance import Entrance
from gridwright.simulate.living.registry import TownRegistry

Progress = Callable[[int, int], None]


def register_over_http(entrance: Entrance, registry: TownRegistry, progress: Progress | None = None) -> int:
    """Register usage points, meters and the network; returns how many calls it took."""
    total = len(registry.points) + len(registry.installations) + 1
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    for point in registry.points:
        document = {
            "id": point.id,
            "zone": point.zone,
            "customer_class": point.customer_class,
            "capacity_kw": point.capacity_kw,
            "exports": point.exports,
            "attributes": dict(point.attributes),
        }
        entrance.send("POST", "/v1/usage-points", document, may_exist=True)
        tick()
    for installed in registry.installations:
        path = f"/v1/usage-points/{quote(installed.usage_point, safe='')}/meter-exchange"
        document = {"serial": installed.end_device, "at": installed.period.start.isoformat()}
        entrance.send("POST", path, document, may_exist=True)
        tick()
    nodes = [
        {"id": n.id, "kind": n.kind.value, "parent": n.parent, "rating_kva": n.rating_kva, "meter": n.meter}
        for n in registry.nodes
    ]
    connections = [
        {"usage_point": c.usage_point, "node": c.node, "from": c.period.start.isoformat()} for c in registry.connections
    ]
    entrance.send("PUT", "/v1/grid/topology", {"nodes": nodes, "connections": connections})
    tick()
    return done
