"""A town that lives: its people and machines, the network that feeds them, the faults of its meters, and the truth."""

from gridwright.simulate.living.build import living_town
from gridwright.simulate.living.registry import MeterChange, TownRegistry, registry_of
from gridwright.simulate.living.site import Site, sites_of
from gridwright.simulate.living.town import Excursion, LivingTown, NetworkTruth, Outage, Response, Theft

__all__ = [
    "Excursion",
    "LivingTown",
    "MeterChange",
    "NetworkTruth",
    "Outage",
    "Response",
    "Site",
    "Theft",
    "TownRegistry",
    "living_town",
    "registry_of",
    "sites_of",
]
