"""Where the sun stands: its elevation, to a tenth of a degree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gridwright.vee.runs import Floats

J2000_S = 946_728_000  # 2000-01-01T12:00Z


def sun_elevation(epoch_s: npt.NDArray[np.int64], latitude: float, longitude: float) -> Floats:
    """Return the geometric elevation of the sun in degrees at each instant; refraction is left out.

    `latitude`, `longitude`: degrees, north and east positive. Low-precision formulas of the Astronomical Almanac, as in
    J. J. Michalsky, Solar Energy 40 (1988) 227-235: 0.01 degrees between 1950 and 2050.
    """
    days = (np.asarray(epoch_s, np.float64) - J2000_S) / 86_400
    mean_longitude = 280.460 + 0.9856474 * days
    anomaly = np.radians(357.528 + 0.9856003 * days)
    ecliptic = np.radians(mean_longitude + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.radians(23.439 - 4e-7 * days)
    ascension = np.arctan2(np.cos(obliquity) * np.sin(ecliptic), np.cos(ecliptic))
    declination = np.arcsin(np.sin(obliquity) * np.sin(ecliptic))
    sidereal_hours = 6.697375 + 0.0657098242 * days + ((days + 0.5) % 1) * 24
    hour_angle = np.radians(sidereal_hours * 15 + longitude) - ascension
    north = np.radians(latitude)
    sine = np.sin(north) * np.sin(declination) + np.cos(north) * np.cos(declination) * np.cos(hour_angle)
    return np.asarray(np.degrees(np.arcsin(np.clip(sine, -1, 1))))
