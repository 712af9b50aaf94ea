"""The browser's libraries: which files `make assets` puts here, and what is said when it was not run."""

from __future__ import annotations

from importlib.resources import files

HTMX, UPLOT = "4.0.1", "1.6.32"
VENDOR = (f"htmx-{HTMX}.min.js", f"uPlot-{UPLOT}.esm.js", f"uPlot-{UPLOT}.min.css")
REMEDY = "run `make assets` in the source folder, or install the wheel, which contains them"


def missing_assets() -> list[str]:
    """Return the library files that are not there; empty in a wheel and after `make assets`."""
    vendor = files("gridwright.web").joinpath("static/vendor")
    return [name for name in VENDOR if not vendor.joinpath(name).is_file()]
