"""The network as rows: a tree in depth-first order, with what each node lost and how well that is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridwright.domain.topology import Node, Topology

Row = dict[str, Any]
TONES = {"plausible": "good", "high": "bad", "negative": "bad"}


def loss_rows(body: Mapping[str, Any] | None) -> list[Row]:
    """Return the balanced nodes, the largest share of loss first; those without a share last."""
    nodes = list(body["nodes"]) if body else []
    return sorted(map(_row, nodes), key=lambda row: -(row["loss_share"] if row["loss_share"] is not None else -1e9))


def supply(body: Mapping[str, Any], most: int) -> Row:
    """Return the newest outages and the worst voltages of what was issued, with the counts and indices of all."""
    voltage = body["voltage"]
    return {
        "period": body["period"],
        "outages": body["outages"][:most],
        "outages_total": body["outages_total"],
        "reliability": body["reliability"],
        "nominal_v": voltage["nominal_v"],
        "indicative": voltage["indicative"],
        "weeks_total": voltage["weeks_total"],
        "weeks_outside": voltage["weeks_outside"],
        "weeks": voltage["weeks"][:most],
        "events_total": voltage["events_total"],
        "excursions": voltage["events"][:most],
    }


def tree_rows(topology: Topology, body: Mapping[str, Any] | None) -> list[Row]:
    """Return every node with its depth and, where there is one, its balance."""
    known = {each["node"]: _row(each) for each in (body["nodes"] if body else [])}
    hanging: dict[str, int] = {}
    for connection in topology.connections:
        hanging[connection.node] = hanging.get(connection.node, 0) + 1
    rows: list[Row] = []

    def visit(node: Node, depth: int) -> None:
        blank = {
            "node": node.id,
            "kind": str(node.kind),
            "parent": node.parent,
            "meter": node.meter,
            "rating_kva": node.rating_kva,
        } | dict.fromkeys(FIGURES)
        row = known.get(node.id, {**blank, "hint": "", "reasons": [], "tone": "none"})
        rows.append({**row, "depth": depth, "connections": hanging.get(node.id, 0)})
        for child in topology.children(node.id):
            visit(child, depth + 1)

    for node in topology.nodes:
        if not node.parent:
            visit(node, 0)
    return rows


FIGURES = (
    "supplied_kwh",
    "metered_kwh",
    "loss_kwh",
    "loss_share",
    "uncertainty_kwh",
    "plausibility",
    "measured",
    "estimated",
    "missing",
)


def _row(each: Mapping[str, Any]) -> Row:
    inputs = each["inputs"]
    hint = each.get("hint") or {}
    return {
        **{name: each.get(name) for name in ("node", "kind", "parent", "meter", "rating_kva", *FIGURES[:6])},
        **{name: inputs[name] for name in FIGURES[6:]},
        "hint": "; ".join(hint["reasons"]) or f"{hint['excess_kwh']} kWh more than technical reasons explain"
        if hint
        else "",
        "reasons": list(each["reasons"]),
        "tone": "bad" if hint else TONES.get(each["plausibility"], "doubt"),
    }
