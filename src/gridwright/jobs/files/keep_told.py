"""Keep what a file says of the meters, where it is not what is installed: its readings are judged by it (V02)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from gridwright.domain.access import Access
from gridwright.domain.hung import plain_serial
from gridwright.domain.told import ToldConfiguration
from gridwright.jobs.cascade.around import installed_as
from gridwright.jobs.load.load_told import TOLD, from_body, to_body
from gridwright.jobs.store_port import StorePort
from gridwright.vee.circumstances import Configuration


def keep_told(store: StorePort, access: Access, told: Sequence[ToldConfiguration], *, known_at: datetime) -> list[str]:
    """Keep what contradicts the registry beside what was kept before; return the usage points that it is about.

    A usage point of which nothing is installed on record contradicts nothing. Where several meters are named for one
    time, each on a channel of its own, and one of them is installed, it is no other meter.
    """
    names = sorted({each.usage_point for each in told})
    hung = store.field.installations(access, names) if names and store.field.knows_meters(access) else ()
    if not hung:
        return []
    there = installed_as(hung, store.field.meters(access, sorted({each.usage_point for each in hung})))
    by_point: dict[str, list[ToldConfiguration]] = defaultdict(list)
    for one in told:
        by_point[one.usage_point].append(one)
    wrong: dict[str, list[ToldConfiguration]] = defaultdict(list)
    for name, several in there.items():
        for one in by_point[name]:
            mine = [other for other in by_point[name] if other.period.overlaps(one.period)]
            if any(_differs(mine, one, each) for each in several):
                wrong[name].append(one)
    if wrong:
        kept = store.outlooks.several(access, TOLD, sorted(wrong))
        before = {each.subject: from_body(each.subject, each.body) for each in kept}
        bodies = {name: to_body(_joined(before.get(name, []), new)) for name, new in wrong.items()}
        store.outlooks.save_many(access, TOLD, bodies, issued=known_at)
    return sorted(wrong)


def _differs(mine: Sequence[ToldConfiguration], one: ToldConfiguration, each: Configuration) -> bool:
    if not one.period.overlaps(each.period):
        return False
    serials = {plain_serial(other.end_device) for other in mine if other.end_device}
    other_meter = bool(serials) and plain_serial(each.end_device or "") not in serials
    pairs = (one.multiplier, each.multiplier), (one.dials, each.dials)
    return other_meter or any(told is not None and there is not None and told != there for told, there in pairs)


def _joined(before: Iterable[ToldConfiguration], new: Iterable[ToldConfiguration]) -> list[ToldConfiguration]:
    """Return all, each once, by time."""
    every = dict.fromkeys((*before, *new))
    return sorted(every, key=lambda each: (each.since_s, each.until_s, str(each.end_device)))
