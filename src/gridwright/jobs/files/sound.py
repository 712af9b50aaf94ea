"""What a reader hands over, without readings whose usage point, meter or register no store could keep by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gridwright.domain.event import Reported
from gridwright.domain.readings import Readings
from gridwright.domain.told import ToldConfiguration
from gridwright.domain.usage_point import MAX_ID, SHOWN, id_fault
from gridwright.domain.verdict import Reject
from gridwright.formats.source import KEPT_REJECTS, Decoded
from gridwright.formats.text import shortened
from gridwright.ingest.order import take

REMEDY = "correct the name in the source; where the file names no usage point, give --point ID"


def sound(decoded: Decoded) -> Decoded:
    """Refuse readings under impossible names, each by its line; name the usage points that have readings, no others.

    Readers refuse most of it themselves, and can say more of it. This holds for every one of them.
    """
    series, rejects, rejected = [], list(decoded.rejects), decoded.rejected
    for part in decoded.series:
        kept, refused, count = _sound_rows(part)
        rejects += refused[: max(0, KEPT_REJECTS - len(rejects))]
        rejected += count
        series += [of_use(kept)] if kept.size else []
    reports, wrong = _sound_reports(decoded.reports)
    rejects += wrong[: max(0, KEPT_REJECTS - len(rejects))]
    rejected += len(wrong)
    named = {point for part in series for point in part.points}
    return replace(
        decoded,
        series=tuple(series),
        rejects=tuple(sorted(rejects, key=lambda reject: reject.line))
        if rejected > decoded.rejected
        else decoded.rejects,
        rejected=rejected,
        zones={point: zone for point, zone in decoded.zones.items() if point in named},
        events=tuple(one for one in decoded.events if not id_fault(one.end_device) and not id_fault(one.usage_point)),
        reports=reports,
        told=tuple(one for one in decoded.told if _is_sound(one)),
    )


def _is_sound(one: ToldConfiguration) -> bool:
    return not id_fault(one.usage_point) and not (one.end_device and id_fault(one.end_device))


def _sound_reports(reports: Sequence[Reported]) -> tuple[tuple[Reported, ...], list[Reject]]:
    """Return the events of devices under possible names, and the verdict on each of the others."""
    kept, refused = [], []
    for each in reports:
        device, point = each.event.end_device, each.event.usage_point
        fault = _fault(point, device) if point else _fault(device, "")
        if fault:
            refused.append(Reject(each.line, fault, REMEDY, shortened(point or device, SHOWN), each.text))
        else:
            kept.append(each)
    return tuple(kept), refused


def _sound_rows(part: Readings) -> tuple[Readings, list[Reject], int]:
    """Return the readings under possible names, the first rejects, and how many readings are refused."""
    code = part.reading_type.code
    register = f"register {shortened(part.reading_type.channel, SHOWN)!r} is no code of a register"
    wrong = register if len(code) > MAX_ID or not code.isprintable() else ""
    devices = part.devices or ("",) * len(part.points)
    faults = [wrong or _fault(point, device) for point, device in zip(part.points, devices, strict=True)]
    if not any(faults):
        return part, [], 0
    bad = np.array([bool(fault) for fault in faults])[part.point]
    rejects = [
        Reject(int(part.line[row]), faults[part.point[row]], REMEDY, shortened(part.points[part.point[row]], SHOWN))
        for row in np.flatnonzero(bad)[:KEPT_REJECTS].tolist()
    ]
    return take(part, ~bad), rejects, int(np.count_nonzero(bad))


def _fault(point: str, device: str) -> str:
    for what, name in (("usage point", point), ("meter", device)):
        fault = id_fault(name) if name or what == "usage point" else ""
        if fault:
            told = fault.replace("a usage point", f"a {what}").replace("no usage point", f"no {what}")
            return f"{shortened(name, SHOWN)!r} {told}"
    return ""


def of_use(part: Readings) -> Readings:
    """Return the readings with those usage points alone that have any."""
    used = np.bincount(part.point, minlength=len(part.points)) > 0
    if used.all():
        return part
    places = np.flatnonzero(used).tolist()
    number = (np.cumsum(used) - 1).astype(np.int32)
    return replace(
        part,
        points=tuple(part.points[place] for place in places),
        point=number[part.point],
        devices=tuple(part.devices[place] for place in places) if part.devices else (),
    )
