"""Virtual towns: seeded usage points with their profiles, registers and faults, for tests, demo and benchmarks."""

from gridwright.simulate.faults import draw_faults, inject, with_faults
from gridwright.simulate.homes import simulate_homes
from gridwright.simulate.town import ExtraRows, Fault, FaultKind, Kind, Town, Truth
from gridwright.simulate.writers import Dialect, nmi_of, to_long_csv, to_nem12, to_register_csv, to_wide_csv

__all__ = [
    "Dialect",
    "ExtraRows",
    "Fault",
    "FaultKind",
    "Kind",
    "Town",
    "Truth",
    "draw_faults",
    "inject",
    "nmi_of",
    "simulate_homes",
    "to_long_csv",
    "to_nem12",
    "to_register_csv",
    "to_wide_csv",
    "with_faults",
]
