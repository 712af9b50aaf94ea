"""`gridwright validate`, `gridwright estimate` and `gridwright vee rules`."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import platform
from gridwright.cli.judge_again import register as add_again
from gridwright.cli.options import Json, Site, with_reading, with_site
from gridwright.cli.output import print_json, print_table, say
from gridwright.cli.rule_history import register as add_history
from gridwright.cli.source import File, Points, rows_of, trusted
from gridwright.formats.source import ReadOptions

if TYPE_CHECKING:
    from gridwright.domain.panel import Panel
    from gridwright.domain.quality import Qualities

VALIDATE = "Example: gridwright validate town.csv --rules vee.toml --json"
ESTIMATE = "Example: gridwright estimate town.csv --out filled.csv"
MINUTE = "%Y-%m-%dT%H:%MZ"
RULES = "Example: gridwright vee rules vee.toml --json"
HEADER = ("usage_point", "start", "kwh", "status", "method")

Rules = Annotated[Path | None, typer.Option("--rules", help="Rule groups (TOML) that go before the packaged ones.")]
app = typer.Typer(help="How readings are judged.", no_args_is_help=True)


add_history(app)
add_again(app)


@app.callback()
def group() -> None:
    """Show how readings are judged."""


def register(app: typer.Typer) -> None:
    """Add both commands."""
    app.command(epilog=VALIDATE)(with_site(with_reading(validate)))
    app.command(epilog=ESTIMATE)(with_site(with_reading(estimate)))


def validate(
    *,
    file: File = None,
    points: Points = None,
    rules: Rules = None,
    as_json: Json = False,
    reading: ReadOptions,
    site: Site,
) -> None:
    """Check readings by the validation rules and list every doubt; values are not changed."""
    from gridwright.jobs.cascade.trust_readings import findings_of

    groups = trusted(platform(), file, points, reading, site, rules=rules)
    wanted = {group.points[row].id for group in groups for row in rows_of(group, points)}
    found = [finding for finding in findings_of(groups) if finding.usage_point in wanted]
    if as_json:
        print_json([finding.to_dict() for finding in found])
        return
    say(f"{len(found)} findings at {len(wanted)} usage points")
    print_table(
        ("code", "severity", "usage point", "channel", "from", "to", "message"),
        [
            (
                f.code,
                f.severity,
                f.usage_point,
                f.reading_type.channel,
                f"{f.period.start:{MINUTE}}",
                f"{f.period.end:{MINUTE}}",
                f.message,
            )
            for f in found
        ],
    )


def estimate(
    *,
    file: File = None,
    points: Points = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write every trusted interval to this CSV file.")] = None,
    as_json: Json = False,
    reading: ReadOptions,
    site: Site,
) -> None:
    """Fill gaps and rejected values, and tell for each usage point what was filled and how."""
    from gridwright.domain.quality import ESTIMATES

    groups = trusted(platform(), file, points, reading, site)
    rows = [(group, row) for group in groups for row in rows_of(group, points)]
    facts = [
        {
            "usage_point": group.points[row].id,
            "intervals": group.trusted.slots,
            "estimated": int(group.trusted.count(ESTIMATES)[row]),
            "unfilled": int(group.trusted.missing[row].sum()),
            "energy_kwh": float(group.trusted.total_kwh()[row]),
            "by_method": by_method(group.trusted.quality[row]),
        }
        for group, row in rows
    ]
    if out is not None:
        write_csv(out, [group.trusted.rows([row]) for group, row in rows])
    if as_json:
        print_json({"usage_points": facts, "file": out})
        return
    print_table(
        ("usage point", "intervals", "estimated", "unfilled", "kWh", "methods"),
        [
            (
                str(f["usage_point"]),
                str(f["intervals"]),
                str(f["estimated"]),
                str(f["unfilled"]),
                f"{f['energy_kwh']:.3f}",
                ", ".join(f"{name} {count}" for name, count in f["by_method"].items()),  # type: ignore[attr-defined]
            )
            for f in facts
        ],
    )


def by_method(quality: Qualities) -> dict[str, int]:
    """Count the estimates of a row by method."""
    import numpy as np

    from gridwright.domain import quality as q

    methods = q.method_of(quality)[q.has_status(quality, q.ESTIMATES)]
    found, counts = np.unique(methods, return_counts=True)
    return {q.Method(int(m)).name.lower(): int(n) for m, n in zip(found, counts, strict=True)}


def write_csv(path: Path, panels: Sequence[Panel]) -> None:
    """Write trusted intervals, one a line, with status and method."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for panel in panels:
            writer.writerows(csv_rows(panel))


def csv_rows(panel: Panel) -> Iterator[tuple[str, ...]]:
    """Yield the lines of one usage point."""
    from gridwright.domain.block import IntervalBlock

    kwh = panel.kwh[0]
    for slot, one in enumerate(IntervalBlock(panel)):
        shown = "" if one.value is None else f"{kwh[slot]:.6f}"
        yield panel.points[0], one.start.isoformat(), shown, one.status.name, one.method.name


@app.command("rules", epilog=RULES)
def show_rules(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Rule groups (TOML); left out, those of the settings.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show every group of rules as it was resolved, with its limits, and the digest of the whole."""
    book = platform().rule_book(file)
    if as_json:
        print_json({"digest": book.digest, "classes": list(book.classes), **book.to_dict()})
        return
    say(f"version {book.version}, digest {book.digest}")
    say(f"customer classes: {', '.join(book.classes)}")
    print_table(
        ("group", "for", "rule", "limits"),
        [
            (group["name"], conditions(group), code, limits(rule))
            for group in book.to_dict()["groups"]
            for code, rule in group["rules"].items()
        ],
    )


def conditions(group: Mapping[str, Any]) -> str:
    """Write what a group is for."""
    shortest, longest = group["interval_min"]
    parts = [" ".join(group[key]) for key in ("source", "customer_class", "quantity", "flow") if group[key]]
    parts += [f"{shortest:g}-{longest or ''} min"] if shortest or longest else []
    parts += [f"{name}={value}" for name, value in group["attributes"].items()]
    return "; ".join(parts) or "everything"


def limits(rule: Mapping[str, Any]) -> str:
    """Write a rule's parameters."""
    return ", ".join(f"{name} {' '.join(v) if isinstance(v, list) else v}" for name, v in rule.items())
