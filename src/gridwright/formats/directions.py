"""Which way a column counts: drawn, fed in, or the one less the other; by its name, else by the sign of its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gridwright.domain.reading_type import Flow, Quantity, ReadingType
from gridwright.domain.verdict import Evidence
from gridwright.formats import roles
from gridwright.formats.layout import ValueColumn
from gridwright.formats.sensors import Sensor

Floats = npt.NDArray[np.float64]

NET = "net: drawn less fed in"
POWERS = (Quantity.POWER, Quantity.REACTIVE_POWER)
# More values below zero than this are no errors: the column holds what was drawn less what was fed in.
SIGNED_SHARE, SIGNED_FEW, SIGNED_MUCH = 0.01, 8, 0.1


def net_if_signed(flow: Flow, column: ValueColumn, values: Floats, evidence: list[Evidence]) -> Flow:
    """Take a column without a told direction that is often below zero as net: fed in less than nothing is a sign.

    A few in a small file are errors, for validation to reject.
    """
    told = roles.meaning_of(column.name).flow is not None
    below, known = int(np.count_nonzero(values < 0)), int(np.count_nonzero(np.isfinite(values)))
    often = below > SIGNED_SHARE * known and (below >= SIGNED_FEW or below > SIGNED_MUCH * known)
    if flow is not Flow.DELIVERED or told or not often:
        return flow
    because = f"{below} of {known} values looked at are below zero; a name such as import_kwh tells otherwise"
    evidence.append(Evidence(f"direction of {column.name}", NET, because, "--column"))
    return Flow.NET


def net_if_fed_in_below_zero(flow: Flow, column: ValueColumn, values: Floats, evidence: list[Evidence]) -> Flow:
    """Take power that is called fed in, and is below zero as a rule, as net: its sign says so once more."""
    below, above = int(np.count_nonzero(values < 0)), int(np.count_nonzero(values > 0))
    if flow is not Flow.RECEIVED or below <= above:
        return flow
    because = f"its name is of what is fed in, and {below} of {below + above} values looked at are below zero"
    evidence.append(Evidence(f"direction of {column.name}", NET, because, "--column"))
    return Flow.NET


@dataclass(frozen=True, slots=True)
class Way:
    """Flow and channel of a column. `short`: what tells it from others; `apart`: a net column stands beside it."""

    flow: Flow
    channel: str
    short: str
    apart: bool


def directions(names: Sequence[str], sensors: Sequence[Sensor | None], evidence: list[Evidence]) -> list[Way]:
    """Return the way of each column: the first of a direction is the point's own, others are channels."""
    taken: set[Flow | tuple[Quantity, str]] = set()
    found = []
    meanings = [roles.meaning_of(name) for name in names]
    netted = any(meaning.flow is Flow.NET for meaning in meanings)
    for name, short, sensor, meaning in zip(names, _channels(names), sensors, meanings, strict=True):
        if sensor is not None:
            own = (sensor.quantity, sensor.channel)
            found.append(Way(Flow.NONE, short if own in taken else sensor.channel, short, apart=False))
            taken.add(own)
            continue
        if meaning.flow is None and (meaning.generated or meaning.part):
            found.append(Way(Flow.NONE, short, short, apart=False))
            continue
        if meaning.flow is Flow.NET:
            evidence.append(Evidence(f"direction of {name}", NET, "its name says so", "--column"))
        flow = meaning.flow or Flow.DELIVERED
        apart = netted and meaning.flow is Flow.DELIVERED
        found.append(Way(flow, short if flow in taken else "", short, apart))
        taken.add(flow)
    return found


def beside(kind: ReadingType, way: Way, others: Sequence[ReadingType]) -> ReadingType:
    """Return the type of a column whose series is not that of another: power that is drawn is no net power then."""
    if way.apart and kind.quantity in POWERS:
        kind = replace(kind, flow=way.flow)
    same = any(kind == other.finer(kind.exponent) for other in others)
    return replace(kind, channel=way.short) if same else kind


def _channels(names: Sequence[str]) -> list[str]:
    """Shorten column names to what tells them apart: `DE_KN_residential4_pv` beside others like it is `pv`."""
    words = [roles.simple(name).split() for name in names]
    shared = 0
    while (
        len(words) > 1 and all(len(each) > shared + 1 for each in words) and len({each[shared] for each in words}) == 1
    ):
        shared += 1
    return ["_".join(each[shared:]) for each in words]
