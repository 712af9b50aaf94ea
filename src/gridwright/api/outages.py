"""Outages as HTTP, MQTT and the command line take them: a verdict on each usage point that is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import TypeAdapter, ValidationError

from gridwright.api.ingest.verdicts import Fault, Verdicts
from gridwright.api.parameters import Name
from gridwright.domain.usage_point import id_fault
from gridwright.jobs.grid.tell_outage import OutageDone, PointTold

FIELD = "usage_points"
NAME: TypeAdapter[str] = TypeAdapter(Name)


def with_verdicts(named: Sequence[object], act: Callable[[Sequence[str]], OutageDone]) -> tuple[OutageDone, Verdicts]:
    """Act on the usage points that can be some, and return what was done with the verdict on each that is named."""
    verdicts, names = Verdicts(), dict[int, str]()
    for at, one in enumerate(named):
        fault = name_fault(one)
        if fault:
            verdicts.reject((at, at + 1), Fault(FIELD, fault, "send ids of usage points, as texts"), one)
        else:
            names[at] = str(one)
    done = act(tuple(dict.fromkeys(names.values())))
    became = {each.usage_point: each for each in done.points}
    for at, name in names.items():
        _give(verdicts, at, became[name])
    return done, verdicts


def name_fault(one: object) -> str:
    """Return why something can be no id of a usage point; empty where it can."""
    try:
        name = NAME.validate_python(one, strict=True)
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    fault = id_fault(name)
    return f"it {fault}" if fault else ""


def _give(verdicts: Verdicts, at: int, told: PointTold) -> None:
    where, fault = (at, at + 1), Fault(FIELD, told.reason, told.remedy)
    if told.outcome == "refused":
        verdicts.reject(where, fault, told.usage_point)
    elif told.outcome == "waits":
        verdicts.quarantine(where, fault, told.usage_point)
    else:
        verdicts.accepted += 1
