"""The network as rows: a tree in depth-first order, with what each node lost and how well that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gridwright.domain.topology import Node

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


def tree_rows(nodes: Sequence[tuple[Node, int]], body: Mapping[str, Any] | None) -> list[Row]:
    """Return every node with its depth and, where there is one, its balance."""
    known = {each["node"]: _row(each) for each in (body["nodes"] if body else [])}
    hanging = {node.id: count for node, count in nodes}
    below: dict[str, list[Node]] = {}
    for node, _ in nodes:
        below.setdefault(node.parent, []).append(node)
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
        rows.append({**row, "depth": depth, "connections": hanging[node.id]})
        for child in below.get(node.id, ()):
            visit(child, depth + 1)

    for node in below.get("", ()):
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
