"""What a severity does to the quality of a value."""

from __future__ import annotations

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.finding import Severity
from gridwright.vee.chunk import Chunk
from gridwright.vee.runs import Index


def graded(chunk: Chunk, judged: tuple[q.Status, ...]) -> q.Qualities:
    """Return the quality with every judged value ACTUAL, until a rule doubts it."""
    quality = chunk.panel.quality.copy()
    quality[q.has_status(quality, judged)] = q.ACTUAL
    return quality


def grade(quality: q.Qualities, cells: tuple[Index, Index], severity: Severity) -> None:
    """Lower the quality of judged values: a failed one never rises again, and what is only told lowers nothing."""
    if severity is Severity.INFO:
        return
    status = quality[cells]
    open_ = (status == q.ACTUAL) | (status == q.Status.ACCEPTED)
    target = q.Status.REJECTED if severity is Severity.FAIL else q.Status.ACCEPTED
    quality[cells] = np.where(open_, np.uint8(target), status)
