"""`gridwright quarantine claim-list`: many meters claimed by a list of where each hangs, a verdict for each line."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridwright.cli.control import Key, Yes, acting
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, say
from gridwright.domain.errors import InputError, UnreadableFile, UsageError
from gridwright.domain.written_number import read_number

if TYPE_CHECKING:
    from gridwright.jobs.meters.claim_list import ClaimVerdict, ListedClaim

NEEDED = ("meter", "usage_point")
COLUMNS = (*NEEDED, "since", "multiplier", "channel")
SHOWN = 20  # refused lines that are told on a terminal; --json tells all
LARGEST = 64 << 20


def register(app: typer.Typer) -> None:
    """Add the command to `gridwright quarantine`."""
    app.command("claim-list", epilog="Example: gridwright quarantine claim-list rollout.csv --add-points --dry-run")(
        claim_list
    )


def claim_list(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: meter, usage_point, since, multiplier, channel.")],
    add_points: Annotated[
        bool, typer.Option("--add-points", help="Register usage points nobody knows, as the settings have it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would do, record nothing.")] = False,
    yes: Yes = False,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Claim the meters of a list, each for the usage point beside it; a line that cannot be costs no other.

    Run again it goes on: of what moved in before nothing waits. Exit 1 where lines are refused and none is claimed.
    """
    from gridwright.jobs.meters.claim_list import ClaimManner, claim_counts
    from gridwright.jobs.meters.claim_list import claim_list as claimed

    listed = read_list(file)
    wired = acting(key)
    if not dry_run and not yes and not as_json and sys.stdin.isatty():
        typer.confirm(f"Claim the meters of {len(listed)} lines?", abort=True, err=True)
    zone, make = wired.settings.site.zone, wired.new_point if add_points else None
    manner = ClaimManner(wired.clock(), (lambda name: make(name, zone)) if make else None, dry_run)
    verdicts = list(claimed(wired.store, wired.access, listed, manner))
    if as_json:
        print_json(
            {"file": file, **claim_counts(verdicts), "lines": [each.to_dict() for each in verdicts], "dry_run": dry_run}
        )
    else:
        _tell(file, verdicts, dry_run=dry_run)
    count = claim_counts(verdicts)
    if count["refused"] and not count["claimed"]:
        raise typer.Exit(1)


def read_list(file: Path) -> list[ListedClaim]:
    """Return the lines of a list; one that cannot be read holds why, a header that cannot is refused."""
    lines = _text(file).splitlines()
    header = lines[0] if lines else ""
    separator = max(",;\t", key=header.count)
    names = [name.strip().lower() for name in header.split(separator)]
    if wrong := [name for name in names if name not in COLUMNS or names.count(name) > 1]:
        raise UsageError(
            f"{file} line 1: column {wrong[0]!r}", remedy=f"name the columns once each: {', '.join(COLUMNS)}"
        )
    if lacking := [name for name in NEEDED if name not in names]:
        raise UsageError(f"{file} line 1: no column {lacking[0]}", remedy=f"name the columns: {', '.join(COLUMNS)}")
    return list(_lines(lines[1:], separator, names))


def _lines(lines: list[str], separator: str, names: list[str]) -> Iterator[ListedClaim]:
    for at, line in enumerate(lines, 2):
        # One line by itself, so that a quote that is never closed costs no other.
        cells = next(csv.reader([line.replace("\0", "\ufffd")], delimiter=separator), [])
        if any(cell.strip() for cell in cells):
            yield _line(at, cells, names)


def _line(at: int, cells: list[str], names: list[str]) -> ListedClaim:
    from gridwright.jobs.meters.claim_list import ListedClaim

    said = _Cells({name: cell.strip() for name, cell in zip(names, cells, strict=False)})
    place = at, said["meter"], said["usage_point"]
    try:
        return ListedClaim(*place, said["since"], _factor(said, len(cells), names), said["channel"])
    except InputError as error:
        return ListedClaim(*place, fault=error)


def _factor(said: _Cells, fields: int, names: list[str]) -> Decimal:
    """Return the factor of a line, 1 where it tells none; a line that cannot be is an InputError."""
    if fields > len(names):
        raise InputError(f"it has {fields} fields, the header {len(names)}", remedy="correct it")
    if lacking := [name for name in NEEDED if not said[name]]:
        raise InputError("it is empty", where=lacking[0], remedy="say which meter hangs where")
    factor = read_number(said["multiplier"] or "1", "multiplier", unit="times")
    if not factor:
        raise InputError("a factor of 0 makes every reading 0", where="multiplier", remedy="leave it empty for none")
    return factor


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells of a line by column; what is not there is empty."""

    told: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.told.get(name, "")


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST:
            raise UnreadableFile(f"{file} is larger than {LARGEST >> 20} MiB", remedy="cut the list into several")
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UnreadableFile(f"{file} cannot be read: {error.strerror}", remedy="name a file that can") from error
    except UnicodeDecodeError as error:
        line = file.read_bytes().count(b"\n", 0, error.start) + 1
        raise UnreadableFile(f"{file} line {line}: it is no UTF-8", remedy="save the list as CSV in UTF-8") from error


def _tell(file: Path, verdicts: list[ClaimVerdict], *, dry_run: bool) -> None:
    told = [each for each in verdicts if each.reason or each.notes]
    for each in told[:SHOWN]:
        what = f"{each.reason} ({each.remedy})" if each.remedy else each.reason
        say(f"  line {each.listed.line}, {each.listed.meter}: {'; '.join(filter(None, (what, *each.notes)))}")
    if len(told) > SHOWN:
        say(f"  and {len(told) - SHOWN} lines more: --json tells all")
    from gridwright.jobs.meters.claim_list import claim_counts

    count = claim_counts(verdicts)
    would = "Dry run, nothing was recorded: " if dry_run else ""
    say(
        f"{would}{file}: {count['claimed']} meters claimed, {count['readings']} readings moved in, "
        f"{count['refused']} lines refused, {count['nothing_waits']} of which nothing waits, "
        f"{count['points_added']} usage points added."
    )
