"""Device families: a protocol's session in the nouns of the domain; `profiles/*.toml` describes devices as data."""

from gridwright.drivers.connect import Address, connect, parse_address
from gridwright.drivers.driver import Identity, Session
from gridwright.drivers.profile import DriverProfile
from gridwright.drivers.profile_reader import parse_profile, profile_of, profiles

__all__ = [
    "Address",
    "DriverProfile",
    "Identity",
    "Session",
    "connect",
    "parse_address",
    "parse_profile",
    "profile_of",
    "profiles",
]
