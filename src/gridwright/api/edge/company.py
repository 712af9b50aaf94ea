"""Processes that send under one edge's name at once: a copied configuration, which none of them can see by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from gridwright.api.edge.wire import Report
from gridwright.domain.edge import EdgeRun, at_once

LONGEST = 300  # characters of a place, as an edge tells it
REMEDY = "give each its own: edge.name, or gridwright edge run --name, and best a key; nothing is lost until then"


def run_of(report: Report, client: str, known: Sequence[EdgeRun], now: datetime) -> EdgeRun | None:
    """Return the process that a report comes from, first heard when it was; None where it does not say which it is."""
    token = report.run[:64]
    if not token:
        return None
    since = min((run.first for run in known if run.token == token), default=now)
    told = f"{report.place[:LONGEST]}, from {client}" if client else report.place[:LONGEST]
    return EdgeRun(token, "".join(sign if sign.isprintable() else "?" for sign in told), since, now)


class Company:
    """Finds who else sends under an edge's name, and tells the log of each process once."""

    def __init__(self) -> None:
        self._told: dict[str, frozenset[str]] = {}

    def of(self, edge: str, run: EdgeRun | None, known: Sequence[EdgeRun], now: datetime) -> list[str]:
        """Return where other processes run that send under the same name at the same time."""
        together = [] if run is None else at_once([*known, run], now)
        tokens = frozenset(one.token for one in together)
        if run is None or run.token not in tokens:
            return []
        if not tokens <= self._told.get(edge, frozenset()):
            places = [one.place for one in together]
            structlog.get_logger().warning(
                "several processes send under one edge's name", edge=edge, at=places, remedy=REMEDY
            )
        self._told[edge] = tokens
        return [one.place for one in together if one.token != run.token]
