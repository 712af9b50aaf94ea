"""Which of several versions of the days of a piece counts, and how that is told."""

from __future__ import annotations

import numpy as np

from gridwright.formats.nem12.channels import Channel
from gridwright.formats.nem12.days import Days, Verdicts, days_of
from gridwright.formats.nem12.layout import Index
from gridwright.formats.nem12.piece import DAY, Numbers, Piece
from gridwright.formats.nem12.qualities import day_above, numbered, ranges_of
from gridwright.formats.nem12.versions import Chosen, leave_out_older


def choose(piece: Piece, numbers: Numbers, settled: Index) -> Chosen:
    """Of several versions of a day blank all but the one that was updated last; the lines `settled` have no say."""
    whole, days = piece.whole, piece.whole.lines(DAY)
    kind, point = np.r_[numbers.kind, -1], np.r_[numbers.point, -1]  # the last: of what stands above any channel
    owner = piece.owner[days]
    series = np.where(kind[owner] >= 0, kind[owner] * len(numbers.points) + point[owner], -1)
    if settled.size:
        series[np.isin(days, settled)] = -1

    def trial(rows: Index, count: int) -> Days:
        ranges = numbered(ranges_of(whole, day_above(whole, days))[0], rows, days.size)
        places = numbers.places[owner[rows]]
        return days_of(whole, days[rows], count, places=places, ranges=ranges, verdicts=Verdicts())

    return leave_out_older(whole, days, series, numbers.slots[owner], trial)


def note_versions(piece: Piece, chosen: Chosen) -> None:
    """Say which versions of days were taken."""
    values = sum(fill.slots.size for fill in chosen.fills.values())
    told = (
        (chosen.replaced, f"{len(chosen.replaced)} days are here in a later version by their UpdateDateTime, which is"),
        (chosen.unread, f"{len(chosen.unread)} later versions of days cannot be read, an earlier one is"),
        (
            sorted(chosen.fills),
            f"{values} values of later versions of days cannot be read, those of an earlier one are",
        ),
    )
    for lines, text in told:
        if lines:
            date, head = piece.whole.record(lines[0]).split(",")[1], piece.channel(lines[0])
            name = head.point if isinstance(head, Channel) else ""
            line = piece.whole.number[lines[0]]
            piece.notes.append(f"{text} taken; the first is {date} of {name}, line {line}")
