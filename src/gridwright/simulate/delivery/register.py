"""Tell a running server what hangs where, as an integrator would by HTTP; told again, it is content."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

from gridwright.simulate.delivery.entrance import Entrance
from gridwright.simulate.living.registry import TownRegistry

Progress = Callable[[int, int], None]


def register_over_http(entrance: Entrance, registry: TownRegistry, progress: Progress | None = None) -> int:
    """Register usage points, meters and the network; returns how many calls it took."""
    total = len(registry.points) + len(registry.installations) + len(registry.changes) + 1
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    for site in registry.points:
        described = {
            "id": site.id,
            "zone": site.zone,
            "customer_class": site.customer_class,
            "capacity_kw": site.capacity_kw,
            "exports": site.exports,
            "attributes": dict(site.attributes),
        }
        entrance.send("POST", "/v1/usage-points", described, may_exist=True)
        tick()
    for point, document in meters_in_order(registry):
        path = f"/v1/usage-points/{quote(point, safe='')}/meter-exchange"
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


def meters_in_order(registry: TownRegistry) -> Iterator[tuple[str, dict[str, str | float]]]:
    """Yield each usage point's meters, the first ones first, as the API takes them."""
    for installed in registry.installations:
        yield installed.usage_point, {"serial": installed.end_device, "at": installed.period.start.isoformat()}
    for change in registry.changes:
        yield (
            change.usage_point,
            {
                "serial": change.serial,
                "at": change.at.isoformat(),
                "final_kwh": change.final_wh / 1000,
                "opening_kwh": change.opening_wh / 1000,
            },
        )
