"""Green Button (ESPI, NAESB REQ.21): Atom feeds of interval readings, read and written."""

from gridwright.formats.green_button.reader import GREEN_BUTTON, GreenButtonDialect, GreenButtonReader
from gridwright.formats.green_button.writer import GREEN_BUTTON_WRITER, GreenButtonWriter

__all__ = [
    "GREEN_BUTTON",
    "GREEN_BUTTON_WRITER",
    "GreenButtonDialect",
    "GreenButtonReader",
    "GreenButtonWriter",
]
