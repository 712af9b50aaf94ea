"""The report as one JSON document, for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gridwright.documents.report_data import PointResult, ReportData
from gridwright.domain import quality as q
from gridwright.domain.bill import Bill, BillLine
from gridwright.domain.verdict import Intake

Json = dict[str, Any]
NAIVE = "seasonal_naive_24"


def report_json(data: ReportData, path: Path) -> Json:
    """Return files, counts and every usage point's figures; `report` is where the page was written."""
    return {
        "files": [intake_json(intake) for intake in data.intakes],
        "readings": sum(intake.accepted for intake in data.intakes),
        "rejected": sum(intake.rejected for intake in data.intakes),
        "tariff": data.tariff,
        "usage_points": [point_json(point) for point in data.points],
        "notes": list(data.notes),
        "report": str(path),
    }


def intake_json(intake: Intake) -> Json:
    """Return the verdict on one file, with what was detected and the first rejects."""
    return {
        "file": intake.source,
        "format": intake.format,
        "records": intake.records,
        "readings": intake.accepted,
        "rejected": intake.rejected,
        "repeated": intake.repeated,
        "conflicting": intake.conflicting,
        "missing": intake.missing,
        "evidence": [asdict(one) for one in intake.evidence],
        "rejects": [asdict(reject) for reject in intake.rejects[:100]],
        "notes": list(intake.notes),
    }


def point_json(point: PointResult) -> Json:
    """Return one usage point: `readings` came with a value, `missing` had none, `estimated` were filled."""
    present = np.isfinite(point.raw.values[0])
    return {
        "id": point.usage_point.id,
        "zone": point.usage_point.zone,
        "interval_minutes": point.trusted.interval_s / 60,
        "from": point.trusted.start.isoformat(),
        "to": point.trusted.end.isoformat(),
        "readings": int(present.sum()),
        "estimated": int(point.trusted.count(q.ESTIMATES)[0]),
        "missing": int((~present).sum()),
        "unfilled": int(point.trusted.missing.sum()),
        "energy_kwh": float(point.trusted.total_kwh()[0]),
        "measured_kwh": float(point.raw.total_kwh()[0]),
        "received_kwh": float(point.received.total_kwh()[0]) if point.received is not None else 0.0,
        "peak_kw": point.analysis.peak_kw,
        "base_kw": point.analysis.base_kw,
        "findings": dict(Counter(finding.code for finding in point.findings)),
        "forecast": forecast_json(point),
        "bill": bill_json(point.bills),
        "battery": battery_json(point),
        "notes": list(point.notes),
    }


def forecast_json(point: PointResult) -> Json | None:
    """Return the served model and its scores beside the seasonal naive's; None without a forecast."""
    if point.forecast is None:
        return None
    accuracy = point.accuracy
    own, naive = (accuracy.own, accuracy.by_model.get(NAIVE)) if accuracy else (None, None)
    return {
        "model": point.forecast.models[0],
        "mase": own.mase if own else None,
        "mase_seasonal_naive": naive.mase if naive else None,
        "wape": own.wape if own else None,
        "wql": own.wql if own else None,
        "coverage_80": own.coverage_80 if own else None,
        "origins": accuracy.origins if accuracy else 0,
        "start": point.forecast.start.isoformat(),
        "steps": point.forecast.steps,
    }


def bill_json(bills: tuple[Bill, ...]) -> Json | None:
    """Return the months' bills added up, each line with its month; None where nothing could be billed."""
    if not bills:
        return None
    return {
        "total": sum((bill.total for bill in bills), start=bills[0].total * 0),
        "currency": bills[0].currency,
        "rate_card": bills[0].rate_card,
        "example": any(bill.example for bill in bills),
        "lines": [line_json(line) for bill in bills for line in bill.lines],
        "bills": [
            {
                "id": bill.id,
                "from": bill.period.start.isoformat(),
                "to": bill.period.end.isoformat(),
                "energy_kwh": bill.energy_kwh,
                "total": bill.total,
                "estimated": bill.estimated,
                "missing": bill.missing,
            }
            for bill in bills
        ],
    }


def line_json(line: BillLine) -> Json:
    """Return a bill's line with its figures as numbers; `Bill.to_dict` has them as exact texts."""
    return {**line.to_dict(), "quantity": line.quantity, "price": line.price, "amount": line.amount}


def battery_json(point: PointResult) -> Json | None:
    """Return what a battery would have saved, planned on forecasts and with perfect foresight; None if not known."""
    found = point.what_if
    if found is None:
        return None
    return {
        "saving": round(found.saving_on_forecast, 4),
        "saving_perfect_foresight": round(found.saving_perfect, 4),
        "saving_simple_rule": round(found.saving_rule, 4),
        "cost_without": round(found.cost_without, 4),
        "currency": found.currency,
        "days": len(found.days),
        "capacity_kwh": found.battery.capacity_kwh,
        "power_kw": found.battery.charge_kw,
        "notes": list(found.notes),
    }
