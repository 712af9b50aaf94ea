"""`gridwright demo`: a living town, played from the meter to the bill and back to the switch, and left open to see."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from gridwright.cli.options import Json
from gridwright.cli.output import print_json, say
from gridwright.domain.errors import GridwrightError

if TYPE_CHECKING:
    from gridwright.cli.story.stage import Stage

OUT = Path("build/demo")
NAP_S = 0.5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: gridwright demo --out build/demo")(demo)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder of the demo; what it held before is replaced.")] = OUT,
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="TCP port of the server, 0 = any.")] = 0,
    leave: Annotated[
        bool, typer.Option("--exit", help="Check the story and exit; so it does without a terminal.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Play a simulated town on a real server, check it against the truth, and stay open until Ctrl-C."""
    from gridwright.cli.story.arrive import build

    began = time.monotonic()
    prepare(out)
    stage = build(out, say)
    stage.server.port = port
    say(f"A town of {len(stage.town.sites)} usage points, simulated from {stage.town.period.start:%d %B} up to now.")
    try:
        holds = played(stage)
        if as_json:
            from gridwright.cli.story.play import as_document

            print_json(as_document(stage))
        tell(stage, time.monotonic() - began)
        if holds and not leave and stays():
            stay(stage)
    finally:
        close(stage)
    if not holds:
        raise GridwrightError(
            "the story does not hold", where=str(stage.server.log), remedy="see what is marked ✗ above"
        )


def prepare(out: Path) -> None:
    """Make the folder, without what a demo left there before, and write a meter file to play with."""
    from gridwright.simulate.demo_file import demo_csv

    for name in ("data", "rate_cards"):
        shutil.rmtree(out / name, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / "town.csv").write_bytes(demo_csv())


def played(stage: Stage) -> bool:
    """Play the story and tell whether it holds."""
    from gridwright.cli.story.play import play

    return play(stage)


def tell(stage: Stage, seconds: float) -> None:
    """Say what is open now, what to click and what to type."""
    from gridwright.cli.story.play import to_click, to_type

    run = ".venv/bin/gridwright" if Path(".venv/bin/gridwright").exists() else "gridwright"
    held = sum(check.holds for check in stage.checks)
    say("")
    say(f"{held} of {len(stage.checks)} checks hold, after {seconds:.0f} s. The console is open at {stage.server.url}")
    say("")
    say("What to click:")
    for line in to_click(stage):
        say(f"  {line}")
    say("")
    say("What to type next, in another terminal:")
    for line in to_type(stage, run):
        say(f"  {line}")


def stays() -> bool:
    """Tell whether somebody is there to look: a terminal, and no DEMO_EXIT."""
    return sys.stdout.isatty() and sys.stdin.isatty() and os.environ.get("DEMO_EXIT", "") in {"", "0"}


def stay(stage: Stage) -> None:
    """Let the town live on until Ctrl-C, or SIGTERM."""
    from gridwright.cli.story.play import live_on

    stop = threading.Event()

    def over(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    kept = {number: signal.signal(number, over) for number in (signal.SIGINT, signal.SIGTERM)}
    say("")
    say("The town lives on, a reading each quarter of an hour. Ctrl-C stops it.")
    live_on(stage, stop)
    while not stop.wait(NAP_S):
        pass
    for number, handler in kept.items():
        signal.signal(number, handler)


def close(stage: Stage) -> None:
    """Stop the meters and the server, in order."""
    if stage.port is not None:
        stage.port.stop()
    code = stage.server.stop()
    say(f"Stopped; the server ended with {code}. Everything is kept in {stage.out}.")
