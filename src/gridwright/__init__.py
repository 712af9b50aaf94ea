"""Gridwright: from the meter to the bill and back to the switch."""

__version__ = "0.1.0"
