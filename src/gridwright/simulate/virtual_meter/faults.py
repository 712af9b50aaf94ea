"""What can be wrong with a virtual meter; each field may be changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class RelayLie(StrEnum):
    """How a relay's words and deeds may differ."""

    HONEST = "honest"
    SAYS_DONE = "says-done"  # acknowledges, reports the new state, but does not move
    IGNORES = "ignores"  # acknowledges, moves nothing, reports the old state
    LATE = "late"  # acknowledges, moves after `Faults.relay_delay`
    REPORTS_LATE = "reports-late"  # moves at once, reports the old state until `Faults.relay_delay` has passed


@dataclass(slots=True)
class Faults:
    """A meter's defects, none by default.

    `refuses`: the error text it answers to every command. `bad_checksum_every`: each n-th block carries a wrong BCC.
    `wrong_serial`: who it claims to be. `dies_after`: bytes of an answer after which it hangs up. `answer_delay_s`:
    seconds before each answer. `endless`: answers never end.
    """

    silent: bool = False
    relay: RelayLie = RelayLie.HONEST
    relay_delay: timedelta = timedelta(minutes=5)
    refuses: str = ""
    refuses_relay: str = ""
    garbage: bool = False
    bad_checksum_every: int = 0
    wrong_serial: str = ""
    dies_after: int | None = None
    answer_delay_s: float = 0.0
    endless: bool = False
