"""Which values a finding doubts: its fingerprint, by which an acceptance holds for these values and for no others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from gridwright.domain.finding import Finding, fingerprint
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.vee.registers import Registers
from gridwright.vee.runs import Floats, Runs

# Of a base unit: what a float keeps of a value, in whatever resolution it is counted.
STEPS = 1e6


def of_values(values: Floats, resolution: float, reads: Iterable[RegisterReading] = ()) -> str:
    """Return the fingerprint of consecutive values, NaN = none, and of the register reads they are held against."""
    return fingerprint(_plain(values, resolution).tobytes(), "\n".join(sorted(map(_told, reads))).encode())


def of_runs(values: Floats, runs: Runs, resolution: float) -> list[str]:
    """Return the fingerprint of each run of `values`, float64[rows, slots]: the same as of each by itself."""
    every = _plain(values[runs.cells()], resolution).tobytes()
    ends = np.cumsum(runs.length) * values.itemsize
    begins = ends - runs.length * values.itemsize
    return [fingerprint(every[begin:end], b"") for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]


def _plain(values: Floats, resolution: float) -> Floats:
    """Return values in small steps of the base unit, with one zero and one NaN of the several that floats have."""
    steps = np.rint(values * (resolution * STEPS)) + 0.0
    steps[np.isnan(steps)] = np.nan
    return steps


def fingerprinted(panel: Panel, findings: Sequence[Finding], registers: Registers) -> list[Finding]:
    """Return findings that hold register reads against the intervals of a panel, with the fingerprints of both."""
    rows = {point: row for row, point in enumerate(panel.points)} if findings else {}
    step = panel.interval
    made = []
    for finding in findings:
        first = max((finding.period.start - panel.start) // step, 0)
        last = max(-((panel.start - finding.period.end) // step), first)
        values = panel.values[rows[finding.usage_point], first:last]
        told = of_values(values, panel.reading_type.resolution, _near(finding, registers, step))
        made.append(replace(finding, fingerprint=told))
    return made


def of_reads(findings: Iterable[Finding], registers: Registers, step: timedelta) -> list[Finding]:
    """Return findings that are about register reads alone, with the fingerprints of these."""
    return [
        replace(finding, fingerprint=of_values(np.empty(0), 1.0, _near(finding, registers, step)))
        for finding in findings
    ]


def _near(finding: Finding, registers: Registers, step: timedelta) -> list[RegisterReading]:
    """Return the reads of a period; one off the grid closes a period that begins or ends half an interval beside it."""
    start, end = finding.period.start - step / 2, finding.period.end + step / 2
    return [read for read in registers.reads.get(finding.usage_point, ()) if start <= read.at <= end]


def _told(read: RegisterReading) -> str:
    base = round(read.value * read.reading_type.resolution * STEPS)
    return f"{read.at.timestamp():.6f} {read.reading_type.finer(0).code} {read.end_device} {read.epoch} {base}"
