"""Options that many commands share, declared once as data and handed over as one value."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_type_hints

import typer

from gridwright.domain.errors import UsageError
from gridwright.domain.finding import Severity
from gridwright.formats.catalogue import FORMATS
from gridwright.formats.source import ReadOptions

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]

READING = "How to read the file (default: detected, and shown)"
SITE = "The usage point"


@dataclass(frozen=True, slots=True)
class Site:
    """What the command line says of the usage points in a file; None or empty = as set in gridwright.toml."""

    customer_class: str | None = None
    capacity_kw: float | None = None
    holidays: str | None = None


def _option(*names: str, text: str, panel: str, **more: Any) -> Any:  # noqa: ANN401 - whatever Typer takes
    return typer.Option(*names, help=text, rich_help_panel=panel, **more)


# parameter → (type, option, default); the names are the fields of ReadOptions.
READ_PARAMETERS: Mapping[str, tuple[Any, Any, Any]] = {
    "format": (str, _option("--format", text=f"{', '.join(FORMATS)}; found by content.", panel=READING), ""),
    "zone": (
        str,
        _option("--zone", text="IANA zone of stamps without offset, such as Europe/Berlin.", panel=READING),
        "",
    ),
    "unit": (
        str,
        _option("--unit", text="Wh, kWh, MWh, W, kW, MW, V, A, Hz, pf, °C and their like.", panel=READING),
        "",
    ),
    "kind": (str, _option("--kind", text="interval, cumulative or power.", panel=READING), ""),
    "stamp": (
        str,
        _option("--stamp", text="start or end: what a stamp marks of its interval.", panel=READING),
        "",
    ),
    "date_order": (str, _option("--date-order", text="ymd, dmy or mdy.", panel=READING), ""),
    "separator": (str, _option("--separator", text="Column separator of a CSV file.", panel=READING), ""),
    "decimal": (str, _option("--decimal", text="Decimal mark: . or ,", panel=READING), ""),
    "encoding": (str, _option("--encoding", text="Text encoding, such as utf-8 or cp1252.", panel=READING), ""),
    "interval_minutes": (
        int | None,
        _option("--interval", text="Interval length in minutes.", panel=READING, min=1),
        None,
    ),
    "point": (str, _option("--point", text="Usage point, where the file names none.", panel=READING), ""),
    "columns": (
        list[str] | None,
        _option("--column", text="ROLE=NAME, such as value=Usage; repeatable.", panel=READING, metavar="ROLE=NAME"),
        None,
    ),
}
SITE_PARAMETERS: Mapping[str, tuple[Any, Any, Any]] = {
    "customer_class": (
        str | None,
        _option("--class", text="residential, commercial, industrial or a declared one.", panel=SITE),
        None,
    ),
    "capacity_kw": (
        float | None,
        _option("--capacity-kw", text="Rating of the connection; enables the capacity rule.", panel=SITE),
        None,
    ),
    "holidays": (str | None, _option("--holidays", text="Holiday calendar, such as DE-BE.", panel=SITE), None),
}


FINDING = "Which findings"
FINDING_PARAMETERS: Mapping[str, tuple[Any, Any, Any]] = {
    "point": (str, _option("--usage-point", text="Only those of this usage point.", panel=FINDING), ""),
    "code": (str, _option("--code", text="Only those of this rule, such as V17_stuck.", panel=FINDING), ""),
    "severity": (Severity | None, _option("--severity", text="Only those so severe.", panel=FINDING), None),
    "period": (
        str,
        _option("--period", text="Only those that touch 2025-03-01, 2025-03 or FROM/TO.", panel=FINDING),
        "",
    ),
    "assigned_to": (str, _option("--assigned-to", text="Only those given to this person.", panel=FINDING), ""),
    "unassigned": (bool, _option("--unassigned", text="Only those given to nobody.", panel=FINDING), False),
    "proposed": (bool, _option("--proposed", text="Only those that wait for a second person.", panel=FINDING), False),
}


@dataclass(frozen=True, slots=True)
class Sought:
    """What the command line says of the findings that are meant; empty or None = whichever."""

    point: str = ""
    code: str = ""
    severity: Severity | None = None
    period: str = ""
    assigned_to: str = ""
    unassigned: bool = False
    proposed: bool = False


def with_findings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that narrow findings; it receives them as `sought: Sought`."""
    return _expand(command, "sought", FINDING_PARAMETERS, lambda given: Sought(**given))


def with_reading(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the reading options; it receives them as `reading: ReadOptions`."""
    return _expand(command, "reading", READ_PARAMETERS, _read_options)


def with_site(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the usage point options; it receives them as `site: Site`."""
    return _expand(command, "site", SITE_PARAMETERS, lambda given: Site(**given))


def _expand(
    command: Callable[..., None],
    name: str,
    parameters: Mapping[str, tuple[Any, Any, Any]],
    build: Callable[[Mapping[str, Any]], object],
) -> Callable[..., None]:
    @functools.wraps(command)
    def expanded(**given: object) -> None:
        values = {key: given.pop(key) for key in parameters}
        command(**given, **{name: build(values)})

    # Typer reads the signature: the one parameter is replaced by its options.
    hints = get_type_hints(command, include_extras=True)
    old = inspect.signature(command).parameters
    kept = [p.replace(annotation=hints[p.name]) for p in old.values() if p.name != name]
    new = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])
        for key, (kind, option, default) in parameters.items()
    ]
    keywords = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in kept]
    expanded.__signature__ = inspect.Signature([*keywords, *new])  # type: ignore[attr-defined]
    expanded.__annotations__ = {p.name: p.annotation for p in (*keywords, *new)}
    del expanded.__wrapped__
    return expanded


def _read_options(given: Mapping[str, Any]) -> ReadOptions:
    columns = dict(_pair(text) for text in given["columns"] or ())
    plain = {key: value for key, value in given.items() if key != "columns"}
    unknown = set(plain) - {field.name for field in fields(ReadOptions)}
    if unknown:
        raise UsageError(f"unknown reading options {sorted(unknown)}")
    return ReadOptions(columns=columns, **plain)


def _pair(text: str) -> tuple[str, str]:
    role, equals, column = text.partition("=")
    if not equals or not role or not column:
        raise UsageError(f"--column {text!r} is not ROLE=NAME", remedy="write for example --column value=Usage")
    return role.strip(), column.strip()
