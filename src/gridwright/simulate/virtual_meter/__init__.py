"""A meter that is not there: it measures what it is told, and answers IEC 62056-21 over a real socket."""

from gridwright.simulate.virtual_meter.family import GENERIC_RELAY, READOUT_ONLY, VDEW_LOAD_PROFILE, Family, LogKind
from gridwright.simulate.virtual_meter.faults import Faults, RelayLie
from gridwright.simulate.virtual_meter.meter import LogEntry, VirtualMeter
from gridwright.simulate.virtual_meter.relay import Order
from gridwright.simulate.virtual_meter.server import MeterServer, MeterServerThread
from gridwright.simulate.virtual_meter.supply import Source

__all__ = [
    "GENERIC_RELAY",
    "READOUT_ONLY",
    "VDEW_LOAD_PROFILE",
    "Family",
    "Faults",
    "LogEntry",
    "LogKind",
    "MeterServer",
    "MeterServerThread",
    "Order",
    "RelayLie",
    "Source",
    "VirtualMeter",
]
