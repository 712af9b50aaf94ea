"""`gridwright demo`: a synthetic town's meter file, reported; tells what was found and what to type next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, progress, say, tell
from gridwright.cli.report import summary, write_report

OUT = Path("build/demo")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: gridwright demo --out build/demo")(demo)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the meter file and the report.")] = OUT,
    as_json: Json = False,
) -> None:
    """Write a seeded meter file of three usage points with seeded faults, and report on it."""
    from gridwright.documents.report import render_report
    from gridwright.documents.report_json import report_json
    from gridwright.simulate.demo_file import demo_csv

    out.mkdir(parents=True, exist_ok=True)
    file = out / "town.csv"
    say(f"1/3  A synthetic town's meter file, with gaps, a spike and other faults in it: {file}")
    file.write_bytes(demo_csv())
    say("2/3  Reading, validating, estimating, forecasting, billing, planning …")
    with progress("Reporting", quiet=as_json) as advance:
        data = platform().report([file], tariff="residential-tou", progress=advance)
    path = write_report(render_report(data), out, [file])
    if as_json:
        print_json(report_json(data, path))
        return
    say("3/3  Found:")
    for line in summary(data):
        say(f"     {line}")
    say("")
    say("The report (open it in a browser; it needs no network):")
    tell(str(path))
    say("")
    say("What to type next:")
    for line in next_steps(file):
        say(f"  {line}")


def next_steps(file: Path) -> list[str]:
    """Return commands worth trying."""
    run = ".venv/bin/gridwright" if Path(".venv/bin/gridwright").exists() else "gridwright"
    return [
        f"{run} report YOUR-METER-FILE.csv",
        f"{run} validate {file}",
        f"{run} forecast backtest {file} --horizon 24h",
        f"{run} bill explain {file} --usage-point UP-1042 --period 2025-03 --tariff residential-tou",
        f"{run} dispatch plan {file} --usage-point UP-1043 --tariff residential-tou",
        f"{run} reading import {file}",
    ]
