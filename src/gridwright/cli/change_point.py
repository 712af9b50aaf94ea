"""`gridwright usage-point change`: what is known of usage points, by which rules, limits and days are chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.control import Key, acting
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, say
from gridwright.domain.errors import UsageError
from gridwright.domain.usage_point import MAX_ID
from gridwright.domain.written_number import read_number

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.domain.usage_point import UsagePoint

UNKNOWN = "unknown"
MAX_TEXT = 2000
NAMES = ("zone", "customer_class", "capacity_kw", "holidays", "exports", "attributes")
# Class, rating, zone, calendar and whether it may feed in, as given; None where nothing is said.
Given = tuple[str | None, str | None, str | None, str | None, bool | None]
Points = Annotated[list[str], typer.Argument(metavar="USAGE_POINT...", help="One usage point or several.")]
ClassOption = Annotated[
    str | None, typer.Option("--class", help="residential, commercial, industrial or a declared one.")
]
CapacityOption = Annotated[
    str | None, typer.Option("--capacity-kw", help="Rating of the connection, or unknown.", metavar="<float>")
]
HolidaysOption = Annotated[
    str | None, typer.Option("--holidays", help="Holiday calendar, such as DE-BE; empty for none.")
]
ZoneOption = Annotated[str | None, typer.Option("--zone", help="IANA time zone of its civil days.")]
ExportsOption = Annotated[bool | None, typer.Option("--exports/--no-exports", help="Whether it may feed in.")]
AttributeOption = Annotated[
    list[str] | None,
    typer.Option("--attribute", metavar="NAME=VALUE", help="What else is known, repeatable; NAME= takes it away."),
]


def register(app: typer.Typer) -> None:
    """Add the command to those of usage points."""
    app.command(epilog="Example: gridwright usage-point change UP-1042 --class commercial --attribute generation=pv")(
        change
    )


def change(
    *,
    points: Points,
    customer_class: ClassOption = None,
    capacity_kw: CapacityOption = None,
    zone: ZoneOption = None,
    holidays: HolidaysOption = None,
    exports: ExportsOption = None,
    attribute: AttributeOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, record nothing.")] = False,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Change what is known of usage points; by what rules read, their last days are judged again."""
    wired = acting(key)
    said = said_of(wired, (customer_class, capacity_kw, zone, holidays, exports))
    told = dict(map(attribute_of, attribute or ()))
    if not said and not told:
        raise UsageError("nothing is to change", remedy="give --class, --capacity-kw, --attribute … (see --help)")
    with wired.store.transaction():
        before = wired.store.registry.points(wired.access, list(dict.fromkeys(points)))
        after = [replace(each, **said, attributes=merged(each, told)) for each in before]
        if not dry_run:
            wired.store.registry.save_points(wired.access, after)
    changes = [{"usage_point": one.id, **_differences(one, two)} for one, two in zip(before, after, strict=True)]
    _tell(changes, dry_run=dry_run, as_json=as_json)


def said_of(wired: Platform, given: Given) -> dict[str, Any]:
    """Return what is said of a usage point by its field; a class or a calendar that nobody knows is refused."""
    customer_class, capacity_kw, zone, holidays, exports = given
    told = {"customer_class": customer_class, "zone": zone, "holidays": holidays, "exports": exports}
    said: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    if capacity_kw is not None:
        said["capacity_kw"] = _capacity(capacity_kw)
    _check(wired, said)
    return said


def _capacity(text: str) -> float | None:
    """Return a rating; None where it is said to be unknown."""
    if text == UNKNOWN:
        return None
    number = read_number(text, "--capacity-kw", unit="kW")
    if number is None or not 0 < number <= 10**9:
        raise UsageError(f"--capacity-kw: {text!r} is no rating", remedy=f"give kW above 0, or {UNKNOWN}")
    return float(number)


def attribute_of(text: str) -> tuple[str, str]:
    """Return name and value of NAME=VALUE; an empty value takes the attribute away."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not text.isprintable() or not 0 < len(name) <= MAX_ID or len(value) > MAX_TEXT:
        raise UsageError(f"--attribute: {text[:80]!r} is no NAME=VALUE", remedy="write it like base_load_kw=0.2")
    return name, value


def _check(wired: Platform, said: dict[str, Any]) -> None:
    """Refuse a class that no rules know, and a calendar that nobody has."""
    if "customer_class" in said:
        wired.rule_book().check_class(said["customer_class"], "--class")
    if said.get("holidays"):
        from gridwright.billing import holiday_dates

        holiday_dates(said["holidays"], (wired.clock().year,))


def merged(point: UsagePoint, told: dict[str, str]) -> dict[str, str]:
    """Return the attributes of a usage point with what is told; what is told empty is gone."""
    return {name: value for name, value in {**point.attributes, **told}.items() if value}


def _differences(before: UsagePoint, after: UsagePoint) -> dict[str, Any]:
    """Return what changes, each as it was and as it is then."""
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in NAMES}
    return {name: {"before": one, "after": two} for name, (one, two) in pairs.items() if one != two}


def _tell(changes: list[dict[str, Any]], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({"dry_run": dry_run, "usage_points": changes})
        return
    for each in changes:
        differ = {name: each[name] for name in NAMES if name in each}
        parts = [f"{name} {_shown(two['before'])} -> {_shown(two['after'])}" for name, two in differ.items()]
        say(f"{each['usage_point']}: {'; '.join(parts) or 'as before'}.")
    if dry_run:
        say("Dry run: nothing was recorded.")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={text}" for name, text in value.items()) or "none"
    return UNKNOWN if value is None else str(value) or "none"
