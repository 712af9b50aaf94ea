"""`gridwright usage-point add`: a usage point is registered, and what waits under its name is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from gridwright.cli.change_point import (
    AttributeOption,
    CapacityOption,
    ClassOption,
    ExportsOption,
    HolidaysOption,
    ZoneOption,
    attribute_of,
    merged,
    said_of,
)
from gridwright.cli.control import Key, acting
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, say
from gridwright.domain.errors import Conflict, NotFound, UsageError
from gridwright.domain.usage_point import SHOWN, id_fault

if TYPE_CHECKING:
    from gridwright.app import Platform


def register(app: typer.Typer) -> None:
    """Add the command to those of usage points."""
    app.command(epilog="Example: gridwright usage-point add UP-1042 --zone Europe/Berlin --capacity-kw 17")(add)


def add(
    *,
    point: Annotated[str, typer.Argument(metavar="USAGE_POINT", help="Its id.")],
    customer_class: ClassOption = None,
    capacity_kw: CapacityOption = None,
    zone: ZoneOption = None,
    holidays: HolidaysOption = None,
    exports: ExportsOption = None,
    attribute: AttributeOption = None,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Register a usage point; what is left out is as the settings have it. What waits under its name is told."""
    from gridwright.cli.usage_point import plain

    wired = acting(key)
    if fault := id_fault(point):
        raise UsageError(f"{point[:SHOWN]!r} {fault}", remedy="give it an id of its own")
    said = said_of(wired, (customer_class, capacity_kw, zone, holidays, exports))
    new = wired.new_point(point, zone or wired.settings.site.zone)
    new = replace(new, **said, attributes=merged(new, dict(map(attribute_of, attribute or ()))))
    with wired.store.transaction():
        if _is_known(wired, point):
            remedy = f"gridwright usage-point change {point} changes it"
            raise Conflict(f"usage point {point} exists already", remedy=remedy)
        wired.store.registry.save_points(wired.access, [new])
    waiting = wired.store.quarantine.waiting(wired.access, point) if wired.access.points is None else 0
    if as_json:
        print_json({**plain(new), "waiting": waiting})
        return
    say(f"Added {point}, {new.customer_class}, {new.zone}.")
    if waiting:
        say(f"{waiting} readings wait under its name: gridwright quarantine claim {point} {point}")


def _is_known(wired: Platform, name: str) -> bool:
    try:
        wired.store.registry.point(wired.access, name)
    except NotFound:
        return False
    return True
