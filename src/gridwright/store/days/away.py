"""Days that the database has not, or not wholly, and where they are read instead."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from gridwright.store.days.blocks import BlockRows

# By usage point: another type of the same meaning, and which slots of a day are told by it alone.
Elsewhere = dict[int, tuple[int, npt.NDArray[np.bool_]]]


class DayImages(NamedTuple):
    """The images of one reading type on a day: the current ones in order of usage point, and those before them."""

    current: BlockRows | None = None
    earlier: BlockRows | None = None


class Away(Protocol):
    """Days of one reading type that are not wholly in the database, for usage points that were named before."""

    def __contains__(self, day: object) -> bool:
        """Tell whether a day is one of them."""

    def images(self, day: int) -> DayImages:
        """Return the images of a day, those of the database laid over the others; days are asked for in order."""

    def is_lost(self, day: int) -> bool:
        """Tell whether what is archived of a day could not be read when its images were asked for."""

    def elsewhere(self) -> Elsewhere:
        """Return what of the images that were asked for last is stored in another resolution."""
