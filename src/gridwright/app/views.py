"""What a forecast looks like to whoever asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gridwright.domain.forecast import Forecast
from gridwright.domain.panel import Panel


@dataclass(frozen=True, slots=True)
class ForecastView:
    """A forecast with the measured days before it, which can be drawn."""

    forecast: Forecast
    past: Panel
    zone: str

    def plot(self) -> Drawing:
        """Return the fan chart; a notebook shows it."""
        from gridwright.documents.drawing import forecast_svg

        return Drawing(forecast_svg(self.forecast, self.past, self.zone))


@dataclass(frozen=True, slots=True)
class Drawing:
    """An SVG picture: notebooks show it, `str()` gives its text, `save` writes it."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: Path | str) -> Path:
        """Write the picture to a file and return its path."""
        Path(path).write_text(self.svg, encoding="utf-8")
        return Path(path)

    def __str__(self) -> str:
        return self.svg
