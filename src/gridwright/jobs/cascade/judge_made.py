"""Judge what was estimated and what people entered: each by the groups of rules that are for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.finding import Finding
from gridwright.domain.panel import Panel
from gridwright.jobs.cascade.trust_readings import Material, SiteDefaults, beside, holidays_of
from gridwright.vee import Registers, Source, packaged, validate

MADE = {Source.ESTIMATION: q.Status.ESTIMATED, Source.EDIT: q.Status.EDITED}
# How findings begin, so that nobody looks for the value in what the meter said.
WORDS = {Source.ESTIMATION: "as estimated", Source.EDIT: "as entered"}


@dataclass(frozen=True, slots=True, eq=False)
class JudgeMade:
    """Judges final images; `material`: what is known around them; `reads`: the registers that close them."""

    site: SiteDefaults
    material: Material
    reads: Registers
    now: datetime

    def doubts(self, panel: Panel, said: Sequence[Finding]) -> list[Finding]:
        """Return the doubts about estimates and edits; values and quality stay.

        Left out is what the same rule has `said` already of the readings themselves, at the same time.
        """
        return [
            replace(finding, message=f"{WORDS[source]}: {finding.message}")
            for source in MADE
            for finding in self._doubts(panel, source)
            if not any(_is_same(finding, other) for other in said)
        ]

    def _doubts(self, panel: Panel, source: Source) -> Iterator[Finding]:
        made = q.has_status(panel.quality, (MADE[source],))
        rows = np.flatnonzero(made.any(axis=1))
        if rows.size == 0:
            return
        some, made = panel.rows(rows), made[rows]
        known, zones = self.material.known, self.material.zones
        points = [known.get(name) or self.site.usage_point(name, zones.get(name, "UTC")) for name in some.points]
        around = self.material.around.of(some, beside(some, self.material.panels))
        done = validate(
            some,
            points,
            registers=self.reads,
            rules=self.site.rules or packaged(),
            now=self.now,
            history=self.material.history.get(some.reading_type),
            circumstances=replace(around, holidays=holidays_of(some, points)),
            source=source,
        )
        row_of = {point: row for row, point in enumerate(some.points)}
        for finding in done.findings:
            first = max((finding.period.start - some.start) // some.interval, 0)
            last = max(-((some.start - finding.period.end) // some.interval), 0)
            if made[row_of[finding.usage_point], first:last].any():
                yield finding


def _is_same(finding: Finding, other: Finding) -> bool:
    same = (finding.code, finding.usage_point) == (other.code, other.usage_point)
    return same and finding.reading_type == other.reading_type and finding.period.overlaps(other.period)
