"""What a command prints: data on stdout, talk on stderr, one JSON document with --json, colours on a terminal only."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn, Protocol

from gridwright.domain.errors import GridwrightError
from gridwright.domain.interval import Interval
from gridwright.domain.printable import printable

# What Ctrl-C leaves of work that is done in steps, each of them whole.
GOES_ON = "Run it again: it goes on there."


class Advance(Protocol):
    """Progress of long work: how much of the total is done."""

    def __call__(self, done: int, total: int) -> None:
        """Tell that `done` of `total` units are finished."""
        ...


def print_json(document: object) -> None:
    """Print the one JSON document; NaN becomes null, since JSON has no NaN."""
    tell(json.dumps(_plain(document), ensure_ascii=False))


def _plain(value: Any) -> Any:  # noqa: ANN401, PLR0911 - any JSON value, one return a type
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None  # noqa: PLR0124 - NaN
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Interval):
        return {"from": value.start.isoformat(), "to": value.end.isoformat()}
    if isinstance(value, Path | Enum):
        return str(value)
    if hasattr(value, "item"):
        return _plain(value.item())
    return value


def save(path: Path, content: bytes | str) -> Path:
    """Write a file; a failure (full disk, no permission) names it."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        remedy = (
            "make room, or write elsewhere" if error.errno == errno.ENOSPC else "check the path and its permissions"
        )
        raise GridwrightError(error.strerror or str(error), where=str(path), remedy=remedy) from error
    return path


def _cell(text: str) -> str:
    """Return a cell of a table, in which a tab or a newline would begin another."""
    return printable(text).replace("\t", "\\u0009").replace("\n", "\\u000a")


def say(text: str = "") -> None:
    """Talk to the person on stderr."""
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()


def tell(text: str = "") -> None:
    """Print a line of data on stdout."""
    try:
        sys.stdout.write(printable(text) + "\n")
    except BrokenPipeError:
        leave_quietly()


def finish() -> None:
    """Flush what was printed."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        leave_quietly()


def leave_quietly() -> NoReturn:
    """End well: the reader of our output went away (head, less), and nothing more may be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: Rich on a terminal, tab-separated lines elsewhere, so that cut and awk can read them."""
    if not sys.stdout.isatty():
        tell("\t".join(header))
        for row in rows:
            tell("\t".join(map(_cell, row)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_cell(cell)) for cell in row))
    Console().print(table)


def print_told(told: Mapping[str, object]) -> None:
    """Print what an object tells as a table, a line each; a truth is yes or no, what is not known is empty."""
    print_table(("what", "is"), [(name.replace("_", " "), _in_words(value)) for name, value in told.items()])


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


@contextmanager
def progress(text: str, *, quiet: bool = False, stopped: str = "") -> Iterator[Advance]:
    """Show a progress bar on stderr while work goes on; nothing without a terminal or with `quiet`.

    After Ctrl-C how far it came is said, and `stopped`: what that leaves, and how to go on.
    """
    came, whole = 0, 0

    def told(done: int, total: int) -> None:
        nonlocal came, whole
        came, whole = done, total
        advance(done, total)

    try:
        with _bar(text, quiet=quiet) as advance:
            yield told
    except KeyboardInterrupt:
        how_far = f" at {min(came / whole, 1):.0%}" if whole else ""
        say(f"Stopped{how_far}: {text[:1].lower()}{text[1:]}. {stopped}".rstrip())
        raise


@contextmanager
def _bar(text: str, *, quiet: bool) -> Iterator[Advance]:
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None  # noqa: ARG005 - nobody looks
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_error(error: GridwrightError, *, as_json: bool) -> None:
    """Print an expected failure: a JSON object on stdout with --json, else a sentence on stderr."""
    if as_json:
        print_json(error.to_dict())
        return
    place = f"{error.where}: " if error.where else ""
    say(f"Error: {place}{error.message}")
    if error.remedy:
        say(f"  What helps: {error.remedy}")


def from_os(error: OSError) -> GridwrightError:
    """Return what the system refused as an error with its place and remedy."""
    place = str(error.filename or "")
    reason = error.strerror or str(error)
    return GridwrightError(reason, where=place, remedy="check the path, its permissions and the room on the disk")
