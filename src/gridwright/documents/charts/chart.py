"""Chart: everything a template needs to draw one picture as SVG, and its twin as a table."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: position in pixels and its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One drawn thing: an SVG path with a CSS class and, for the tooltip and screen readers, a title."""

    path: str
    css: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """Text inside the plot: labels stand at the data rather than in a legend."""

    x: float
    y: float
    text: str
    css: str = ""
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Image:
    """A bitmap stretched over a part of the plot, as a data URI."""

    x: float
    y: float
    width: float
    height: float
    uri: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Outer size and the plot's box, in pixels of the view box."""

    width: float = 760
    height: float = 240
    left: float = 52
    right: float = 24
    top: float = 14
    bottom: float = 28

    @property
    def x0(self) -> float:
        """Left edge of the plot."""
        return self.left

    @property
    def x1(self) -> float:
        """Right edge of the plot."""
        return self.width - self.right

    @property
    def y0(self) -> float:
        """Bottom edge of the plot."""
        return self.height - self.bottom

    @property
    def y1(self) -> float:
        """Top edge of the plot."""
        return self.top


@dataclass(frozen=True, slots=True)
class Table:
    """The same facts as rows of text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart: `title` is its heading, `summary` says in a sentence what to see (also its accessible name)."""

    title: str
    summary: str
    frame: Frame
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()
    y_unit: str = ""
    images: tuple[Image, ...] = ()
    marks: tuple[Mark, ...] = ()
    labels: tuple[Label, ...] = ()
    table: Table | None = None
    note: str = field(default="")
