"""What the page shows, as plain text and drawn charts: the template only places it."""

from __future__ import annotations

from dataclasses import dataclass

from gridwright.documents.charts.chart import Chart

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure with its name and, in small print, what it is made of."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """A table of text; `numbers`: all columns but the first are figures. `note` tells what was left out."""

    header: Row
    rows: tuple[Row, ...]
    numbers: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One doubt of one rule."""

    code: str
    severity: str
    since: str
    message: str


@dataclass(frozen=True, slots=True)
class FindingsView:
    """All doubts: counted by rule, then the first ones in full."""

    text: str
    by_code: Rows
    listed: tuple[FindingRow, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class ForecastView:
    """What comes next; a part that could not be made is None or empty, and `empty` says what would help."""

    fan: Chart | None
    facts: tuple[str, ...]
    scores_text: str
    scores: Rows | None
    coefficients: Rows | None
    notes: tuple[str, ...]
    empty: str = ""


@dataclass(frozen=True, slots=True)
class BillLineView:
    """One line of a bill as printed."""

    text: str
    basis: str
    quantity: str
    price: str
    amount: str


@dataclass(frozen=True, slots=True)
class BillView:
    """One month's bill in full, and all months of the file."""

    text: str
    example: bool
    lines: tuple[BillLineView, ...]
    total: str
    notes: tuple[str, ...]
    months: Rows | None


@dataclass(frozen=True, slots=True)
class BatteryView:
    """What a battery would have changed."""

    text: str
    facts: tuple[Fact, ...]
    chart: Chart | None
    notes: tuple[str, ...]
    days: Rows | None


@dataclass(frozen=True, slots=True)
class PointView:
    """Everything about one usage point."""

    anchor: str
    id: str
    subtitle: str
    facts: tuple[Fact, ...]
    notes: tuple[str, ...]
    trust: str
    daily: Chart | None
    stretches: Rows | None
    findings: FindingsView
    charts: tuple[Chart, ...]
    usage: Rows | None
    forecast: ForecastView
    bill: BillView | None
    battery: BatteryView | None


@dataclass(frozen=True, slots=True)
class ReadingView:
    """What was read, how it was understood and what could not be taken."""

    files: Rows
    evidence: Rows | None
    notes: tuple[str, ...]
    rejects_text: str
    rejects: Rows | None


@dataclass(frozen=True, slots=True)
class OverviewView:
    """All usage points, a row each, when there are several."""

    table: Rows
    links: tuple[tuple[str, str], ...]
    note: str


@dataclass(frozen=True, slots=True)
class PageView:
    """The whole page."""

    title: str
    subtitle: str
    facts: tuple[Fact, ...]
    notes: tuple[str, ...]
    reading: ReadingView
    overview: OverviewView | None
    points: tuple[PointView, ...]
    empty: str
    made: str
    commands: str
