"""One chart as a file of its own: valid XML with its styles inside."""

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import numpy as np

from gridwright.documents.drawing import forecast_svg
from gridwright.domain.forecast import Forecast
from gridwright.domain.panel import Panel

START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_forecast_is_drawn_as_a_document() -> None:
    past = Panel(("UP-1",), START - 72 * HOUR, HOUR, np.full((1, 72), 400.0))
    quantiles = np.linspace(100, 900, 9)[None, None, :] * np.ones((1, 48, 1))
    forecast = Forecast(("UP-1",), START, HOUR, quantiles, np.full((1, 48), 500.0), ("ar",), START)
    text = forecast_svg(forecast, past, "Europe/Berlin")
    root = ET.fromstring(text)  # noqa: S314 - our own text
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.find("{http://www.w3.org/2000/svg}style") is not None
    assert len(re.findall('class="fan ', text)) == 4
    assert "Forecast for the next 48 hours" in (root.get("aria-label") or "")
