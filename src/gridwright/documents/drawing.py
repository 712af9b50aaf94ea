"""A single chart as a standalone SVG file, for notebooks."""

from __future__ import annotations

from gridwright.documents.charts.chart import Chart
from gridwright.documents.charts.fan import fan_chart
from gridwright.domain.forecast import Forecast
from gridwright.domain.interval import zone_of
from gridwright.domain.panel import Panel


def forecast_svg(forecast: Forecast, past: Panel, zone: str) -> str:
    """Draw one usage point's forecast as a fan, after its measured days in `past` (one row, same interval)."""
    quantiles = forecast.kw(forecast.quantiles[0])
    return chart_svg(fan_chart(forecast.start, forecast.interval, past.kw[0], quantiles, zone_of(zone)))


def chart_svg(chart: Chart) -> str:
    """Return the chart as an SVG document that carries its own styles."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("gridwright.documents", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    css = loader.get_source(environment, "report.css")[0]
    return environment.get_template("drawing.svg.j2").render(c=chart, css=css)
