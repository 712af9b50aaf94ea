"""NEM12 and NEM13, the Australian meter data file format (AEMO MDFF): a row a channel and day, or register reads."""

from gridwright.formats.nem12.reader import NEM12, Nem12Dialect, Nem12Reader

__all__ = ["NEM12", "Nem12Dialect", "Nem12Reader"]
