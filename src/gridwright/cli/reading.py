"""`gridwright reading`: import meter files into the store, and show what is stored."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from gridwright.cli import reading_export, reading_import, reading_watch
from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table
from gridwright.cli.source import Period
from gridwright.domain.errors import UsageError
from gridwright.domain.interval import parse_instant, zone_of

app = typer.Typer(help="Import and export meter files, and show what is stored.", no_args_is_help=True)
reading_import.register(app)
reading_export.register(app)
reading_watch.register(app)


@app.command(epilog="Example: gridwright reading show UP-1042 --period 2025-03-30 --json")
def show(
    point: Annotated[str, typer.Argument(help="The usage point.")],
    period: Period = "",
    as_of: Annotated[str, typer.Option("--as-of", help="As known at this instant, such as 2025-04-01T12:00.")] = "",
    image: Annotated[str, typer.Option("--image", help="raw: as they came; final: as validated.")] = "raw",
    as_json: Json = False,
) -> None:
    """Show a usage point's stored readings with status and estimation method."""
    from gridwright.domain.block import IntervalBlock
    from gridwright.domain.image import Image

    if image not in set(Image):
        raise UsageError(f"there is no image {image!r}", remedy=f"use one of {', '.join(Image)}")
    wired = platform()
    zone = wired.store.registry.point(wired.access, point).zone
    known_at: datetime | None = parse_instant(as_of, zone_of(zone)) if as_of else None
    if image == Image.RAW:
        panel = wired.as_came(point, period or None, as_of=known_at)
    else:
        panel = wired.readings(point, period or None, as_of=known_at, image=Image(image))
    kwh = panel.kwh[0]
    rows = [
        {
            "start": one.start.astimezone(zone_of(zone)).isoformat(),
            "kwh": None if one.value is None else float(kwh[slot]),
            "status": one.status.name.lower(),
            "method": one.method.name.lower(),
        }
        for slot, one in enumerate(IntervalBlock(panel))
    ]
    if as_json:
        facts = {"usage_point": point, "zone": zone, "interval_minutes": panel.interval_s / 60}
        print_json(
            {**facts, "reading_type": panel.reading_type.code, "as_of": known_at, "image": image, "readings": rows}
        )
        return
    print_table(
        ("start", "kWh", "status", "method"),
        [
            (str(r["start"]), "" if r["kwh"] is None else f"{r['kwh']:.6f}", str(r["status"]), str(r["method"]))
            for r in rows
        ],
    )
