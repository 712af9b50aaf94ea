"""Whether the centre still has what it acknowledged: asked with each greeting, as it may be back from an older backup.

Records arrive in order, so a centre that has the last one that it acknowledged has all before it: one question is
enough until it does not. Then it is asked for each earlier epoch that is remembered.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from gridwright.domain.interval import MICRO, from_epoch_s
from gridwright.edge.buffer import Buffer
from gridwright.edge.folder import Ended, Forgotten, Mark, Sent
from gridwright.edge.gone import acknowledged_of, is_renamed

Ask = Callable[[Ended], int | None]  # the number that the centre expects, None where it has all


def compare(buffer: Buffer, sent: Sent, ask: Ask) -> str:
    """Ask, and set the buffer back to what the centre has; returns the epoch that was asked for, empty = none."""
    mark = buffer.mark
    renamed = is_renamed(mark, sent)
    if not mark.epoch or (renamed and not buffer.holds(mark.epoch)):
        return ""
    latest = acknowledged_of(mark, mark.epoch)
    expected = ask(latest)
    if expected is None:
        return latest.epoch
    behind = [(latest, expected)]
    if not renamed:
        asked = ((one, ask(one)) for one in reversed(mark.ended))
        behind += [(one, expected) for one, expected in asked if expected is not None]
    if renamed or _is_other(mark, sent, behind):
        _begin_anew(buffer, latest, expected)
        return ""
    for one, expected in reversed(behind):
        buffer.set_back(one.epoch, expected)
        _log(buffer.mark, one, expected)
    return ""


def _is_other(mark: Mark, sent: Sent, behind: list[tuple[Ended, int]]) -> bool:
    """Tell whether it is another centre, which never had anything: it has another address, and knows no epoch."""
    moved = bool(sent.to and mark.sent.to) and sent.to != mark.sent.to
    return moved and len(behind) == 1 + len(mark.ended) and all(expected == 1 for _, expected in behind)


def _begin_anew(buffer: Buffer, latest: Ended, expected: int) -> None:
    """Begin with another centre: of an epoch that goes on there it is told what the first one has."""
    buffer.forget_ended()
    if buffer.holds(latest.epoch):
        structlog.get_logger().warning(
            "another centre had the earlier records", epoch=latest.epoch, first=expected, last=latest.through
        )
        buffer.set_back(latest.epoch, expected, again=False)


def _log(mark: Mark, known: Ended, expected: int) -> None:
    lacking = next(
        (one for one in reversed(mark.forgotten) if one.epoch == known.epoch and one.first == expected), None
    )
    log = structlog.get_logger()
    first = expected
    if lacking is not None:
        log.error("the centre has lost what it had", **told(lacking), remedy="ask the meters again for that time")
        first = lacking.last + 1
    if first <= known.through:
        log.warning("what the centre has lost goes again", epoch=known.epoch, first=first, last=known.through)


def told(lacking: Forgotten) -> dict[str, str | int | None]:
    """Return numbers that the centre lacks as an object; `until`: when the last of them came in."""
    until = None if lacking.until_us is None else from_epoch_s(lacking.until_us / MICRO).isoformat()
    return {"epoch": lacking.epoch, "first": lacking.first, "last": lacking.last, "until": until}
