"""NEM12 and NEM13, the Australian meter data file format (AEMO MDFF): a row a channel and day, or register reads."""

from gridwright.formats.nem12.reader import NEM12, Nem12Dialect, Nem12Reader
from gridwright.formats.nem12.writer import NEM12_WRITER, NEM13_WRITER, Nem12Writer, Nem13Writer

__all__ = [
    "NEM12",
    "NEM12_WRITER",
    "NEM13_WRITER",
    "Nem12Dialect",
    "Nem12Reader",
    "Nem12Writer",
    "Nem13Writer",
]
