"""Run benchmarks, each in a process of its own, and rewrite their rows in the table of docs/reference/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from pathlib import Path

from benchmarks.harness import Row, figure, from_json, to_json

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "reference" / "benchmarks.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
NOT_BENCHMARKS = {"__init__", "__main__", "harness"}


def names() -> list[str]:
    """List the benchmarks: every module here that is not part of the machinery."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NOT_BENCHMARKS)


def run(name: str, *, quick: bool) -> list[Row] | None:
    """Run one benchmark; None where it failed, with its own words on stderr."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", *(["--quick"] if quick else [])]
    print(f"benchmarks.{name} ...", file=sys.stderr, flush=True)
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=False)
    return from_json(done.stdout) if done.returncode == 0 else None


def cells(name: str, row: Row) -> str:
    """Write one row of the table."""
    verdict = {True: "met", False: "**missed**", None: ""}[row.met]
    peer = f"{row.peer.name}: {figure(row.peer.value)} (×{row.peer.ratio:.2f})" if row.peer else ""
    return f"| {name} | {row.name} | {figure(row.value)} {row.unit} | {row.goal} | {verdict} | {peer} |"


def table(results: dict[str, list[Row]]) -> str:
    """Write the whole table, with the machine it was measured on."""
    machine = f"Measured on {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}."
    head = ["| benchmark | what | figure | goal | | in the same run |", "|---|---|---:|---|---|---|"]
    return "\n".join([machine, "", *head, *(cells(name, row) for name, rows in results.items() for row in rows)])


def replaced(page: Path, results: dict[str, list[Row]]) -> str:
    """Write the table of a page with the rows of some benchmarks measured anew, each benchmark where it stood."""
    old = page.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    lines: list[str] = []
    left = dict(results)
    for line in old:
        name = line.removeprefix("| ").partition(" |")[0]
        if name not in results:
            lines.append(line)
        elif name in left:
            lines += [cells(name, row) for row in left.pop(name)]
    return "\n".join([*lines, *(cells(name, row) for name, rows in left.items() for row in rows)])


def rewrite(page: Path, text: str) -> None:
    """Put `text` between the page's markers and leave the rest alone."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{page}: the markers {BEGIN} and {END} are missing; put them back around the table")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Run them all; a benchmark that fails makes the exit code 1, a goal that is missed does not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="at most 50 seconds a benchmark; the page is not rewritten"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these; the other rows of the page stay")
    parser.add_argument("--json", action="store_true", help="print all rows as one JSON list")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(names()))
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(names())}")
    outcomes = {name: run(name, quick=options.quick) for name in options.names or names()}
    results = {name: rows for name, rows in outcomes.items() if rows is not None}
    if not options.quick:
        rewrite(PAGE, replaced(PAGE, results) if options.names else table(results))
    print(to_json(row for rows in results.values() for row in rows) if options.json else table(results))
    failed = [name for name, rows in outcomes.items() if rows is None]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
