"""Decoded columns of one source to panels, registers and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import Accumulation
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.domain.rollover import TurnedOver, never
from gridwright.ingest.collected import Gridded, Tally
from gridwright.ingest.grid import grid_readings
from gridwright.ingest.order import merge, order
from gridwright.ingest.possible import possible
from gridwright.ingest.registers import Carried, Factors, grid_registers, no_factor, no_limit

Known = Callable[[Readings], Sequence[RegisterReading]]


def no_known_reads(readings: Readings) -> Sequence[RegisterReading]:
    """Tell that nothing was known before."""
    del readings
    return ()


def grid_series(
    series: Sequence[Readings],
    *,
    not_after: int | None = None,
    known: Known = no_known_reads,
    turned_over: TurnedOver = never,
    factors: Factors = no_factor,
    carried: Carried = no_limit,
) -> Gridded:
    """Join the series of one source by meaning and interval, and lay each on its grid.

    `known` returns the register reads around a cumulative series that were stored before; `turned_over` tells of reads
    of which the later is below whether that is a rollover, `factors` what their differences count times, `carried` how
    much a connection carries.
    """

    def laid(readings: Readings) -> Gridded:
        if readings.size and readings.reading_type.accumulation is Accumulation.CUMULATIVE:
            around = known(readings)
            return grid_registers(
                readings,
                around=around,
                not_after=not_after,
                turned_over=turned_over,
                factors=factors,
                carried=carried,
            )
        return _grid(readings, not_after)

    gridded = [laid(readings) for readings in merge(series)]
    tally = Tally()
    for part in gridded:
        tally += part.tally
    return Gridded(
        tuple(panel for part in gridded for panel in part.panels),
        tuple(reads for part in gridded for reads in part.registers),
        tuple(reads for part in gridded for reads in part.loose),
        tally,
        tuple(panel for part in gridded for panel in part.derived),
    )


def _grid(readings: Readings, not_after: int | None) -> Gridded:
    if readings.size == 0:
        return Gridded()
    if 0 < readings.interval_s <= DAY_S:
        return grid_readings(readings, not_after=not_after)
    return _loose(readings, not_after)


def _loose(readings: Readings, not_after: int | None) -> Gridded:
    """Put readings without a known interval, or of billing periods, which differ in length, in order, on no grid."""
    readings, impossible = possible(readings, not_after)
    ordered = order(readings)
    return Gridded(loose=(ordered.readings,), tally=impossible + ordered.tally)
