"""Ingest: anything decoded becomes readings in order, on a grid, with a verdict on every record."""

from gridwright.ingest.collect import grid_series
from gridwright.ingest.collected import Collected, Gridded, RegisterReads, Tally
from gridwright.ingest.grid import grid_readings
from gridwright.ingest.order import merge
from gridwright.ingest.registers import grid_registers

__all__ = ["Collected", "Gridded", "RegisterReads", "Tally", "grid_readings", "grid_registers", "grid_series", "merge"]
