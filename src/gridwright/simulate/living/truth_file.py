"""The truth of a town as a JSON document: who lives where, what really happened, and each fault with place and time."""

from __future__ import annotations

from typing import Any

from gridwright.domain.interval import Interval
from gridwright.simulate.living.town import LivingTown


def truth_document(town: LivingTown) -> dict[str, Any]:
    """Return what scores a reader of the town's data; energies in kWh over the whole period."""
    return {
        "period": _period(town.period),
        "zone": town.town.zone,
        "usage_points": _usage_points(town),
        "nodes": _nodes(town),
        "faults": [
            {"kind": fault.kind.value, "usage_point": fault.usage_point, **_period(fault.period), "size": fault.size}
            for fault in town.town.faults
        ],
        "thefts": [
            {"usage_point": each.usage_point, "since": each.since.isoformat(), "share": each.share}
            for each in town.thefts
        ],
        "outages": [{"transformer": each.transformer, **_period(each.period)} for each in town.outages],
        "excursions": [
            {"usage_point": each.usage_point, **_period(each.period), "volts": each.volts} for each in town.excursions
        ],
        "responses": [{"usage_points": list(each.points), **_period(each.period)} for each in town.responses],
    }


def _period(period: Interval) -> dict[str, str]:
    return {"from": period.start.isoformat(), "to": period.end.isoformat()}


def _usage_points(town: LivingTown) -> list[dict[str, Any]]:
    truth, hours = town.truth, town.town.interval.total_seconds() / 3600
    delivered = dict(zip(truth.panel.points, truth.panel.total_kwh().tolist(), strict=True))
    received = (
        {}
        if truth.received is None
        else dict(zip(truth.received.points, truth.received.total_kwh().tolist(), strict=True))
    )
    return [
        {
            "id": site.usage_point,
            "kind": site.kind.value,
            "transformer": site.transformer,
            "charger_kw": site.charger_kw,
            "battery_kwh": site.battery_kwh,
            "delivered_kwh": delivered[site.usage_point],
            "received_kwh": received.get(site.usage_point, 0.0),
            "load_kwh": round(float(truth.load_kw[row].sum() * hours), 3),
            "pv_kwh": round(float(truth.pv_kw[row].sum() * hours), 3),
            "ev_kwh": round(float(town.ev_kw[row].sum() * hours), 3),
        }
        for row, site in enumerate(town.sites)
    ]


def _nodes(town: LivingTown) -> list[dict[str, Any]]:
    network = town.network
    sums = (
        part.sum(axis=1) / 1000 for part in (network.net_wh, network.metered_wh, network.stolen_wh, network.lost_wh)
    )
    names = ("net_kwh", "metered_kwh", "stolen_kwh", "lost_kwh")
    return [
        {"id": node, **dict(zip(names, row, strict=True))}
        for node, *row in zip(network.nodes, *(each.tolist() for each in sums), strict=True)
    ]
