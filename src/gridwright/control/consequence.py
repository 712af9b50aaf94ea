"""Consequence: what a control would do, in numbers, for whoever asks and whoever approves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gridwright.control.guard import Refusal
from gridwright.domain.control import Command
from gridwright.domain.device import RelayState

VERB = {Command.DISCONNECT: "lose supply", Command.RECONNECT: "get supply", Command.ARM: "be able to close its relay"}


@dataclass(frozen=True, slots=True)
class Consequence:
    """Who is affected by a command and how, as far as is known at `at`; None = unknown.

    `load_kw`: mean power of the newest interval, negative when the usage point feeds in. `day_kwh`: delivered in the
    24 hours up to it. `relay`: the last proven state. `refusals`: why the command would be refused.
    """

    command: Command
    usage_point: str
    end_device: str
    customer_class: str
    critical: bool
    at: datetime
    load_kw: float | None = None
    day_kwh: float | None = None
    reading_at: datetime | None = None
    relay: RelayState | None = None
    last_contact: datetime | None = None
    disconnects_in_window: int = 0
    refusals: tuple[Refusal, ...] = ()

    @property
    def reading_age(self) -> timedelta | None:
        """How old the newest reading is."""
        return None if self.reading_at is None else self.at - self.reading_at

    @property
    def sentence(self) -> str:
        """The consequence for a person to read before saying yes."""
        who = f"1 {self.customer_class} customer at {self.usage_point}{' (CRITICAL)' if self.critical else ''}"
        what = f"{who} would {VERB.get(self.command, self.command)} through meter {self.end_device}"
        if self.load_kw is None or self.reading_age is None:
            return f"{what}. Its present load is unknown: there is no reading."
        flow = "feeds in" if self.load_kw < 0 else "draws"
        age = duration(self.reading_age)
        return f"{what}. It {flow} {abs(self.load_kw):.2f} kW by the newest reading, which is {age} old."


def duration(length: timedelta) -> str:
    """Say a length of time in its two largest units, such as `2 h 5 min`."""
    seconds = max(0, int(length.total_seconds()))
    parts = [(seconds // 86_400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((at for at, (number, _) in enumerate(parts) if number), len(parts) - 1)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number) or "0 s"
