"""The report: one HTML page that works offline, without JavaScript, in light and dark, and on paper."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from gridwright.documents.report_data import ReportData
from gridwright.documents.report_overview import page_view

if TYPE_CHECKING:
    from jinja2 import Environment

# Control characters break HTML, lone surrogates (of file names) break UTF-8, and bidirectional ones disguise text.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def render_report(data: ReportData) -> str:
    """Return the report as a self-contained HTML page; whatever a file says appears as text, never as markup."""
    page = _environment().get_template("report.html.j2").render(page=page_view(data))
    return UNPRINTABLE.sub("\ufffd", page)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gridwright.documents"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["css"] = files("gridwright.documents").joinpath("templates/report.css").read_text("utf-8")
    return environment
