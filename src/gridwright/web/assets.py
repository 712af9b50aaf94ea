"""The browser's libraries: which files `make assets` puts here, and what is said when it was not run."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

HTMX, UPLOT = "4.0.1", "1.6.32"
# Where it lies in node_modules → what it is called here.
SOURCES = {
    "htmx.org/dist/htmx.min.js": f"htmx-{HTMX}.min.js",
    "uplot/dist/uPlot.esm.js": f"uPlot-{UPLOT}.esm.js",
    "uplot/dist/uPlot.min.css": f"uPlot-{UPLOT}.min.css",
    "htmx.org/LICENSE": f"htmx-{HTMX}.LICENSE.txt",
    "uplot/LICENSE": f"uPlot-{UPLOT}.LICENSE.txt",
}
VENDOR = tuple(name for name in SOURCES.values() if not name.endswith(".txt"))
REMEDY = "run `make assets` in the source folder, or install the wheel, which contains them"


def copy_assets(modules: str, vendor: str) -> None:
    """Copy the files, licences beside them, from a folder of npm's into the package; older versions go."""
    place = Path(vendor)
    for old in (*place.glob("*.js"), *place.glob("*.css"), *place.glob("*.txt")):
        old.unlink()
    for source, name in SOURCES.items():
        shutil.copyfile(Path(modules) / source, place / name)


def missing_assets() -> list[str]:
    """Return the library files that are not there; empty in a wheel and after `make assets`."""
    vendor = files("gridwright.web").joinpath("static/vendor")
    return [name for name in VENDOR if not vendor.joinpath(name).is_file()]
