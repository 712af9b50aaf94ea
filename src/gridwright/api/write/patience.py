"""How long readings are tried while the database is locked or away, before their sender is told to try again."""

from __future__ import annotations

from dataclasses import dataclass

from gridwright.domain.errors import StoreError, StoreLocked

PATIENCE_S = 20.0
SILENT_S = 1.5  # who fails after so long, and is not locked out, has met a server that says nothing
PAUSES_S = (0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(slots=True)
class Patience:
    """How long something is tried: half as long where the server does not even refuse, as each try takes seconds."""

    whole_s: float = PATIENCE_S
    silent: bool = False

    @property
    def seconds(self) -> float:
        """Return for how long it is tried, from when it came."""
        return self.whole_s / 2 if self.silent else self.whole_s

    def note(self, error: StoreError, took_s: float) -> None:
        """Note how a try failed, and after how long."""
        self.silent = type(error) is StoreError and passes(error) and (took_s >= SILENT_S or self.silent)


def pause_of(attempt: int) -> float:
    """Return the pause after a try in seconds, the first being 0."""
    return PAUSES_S[min(attempt, len(PAUSES_S) - 1)]


def passes(error: StoreError) -> bool:
    """Tell whether it may help to wait: a lock, or a server that is away; not a full disk or a broken file."""
    return isinstance(error, StoreLocked) or (type(error) is StoreError and not is_refusal(error))


def is_refusal(error: StoreError) -> bool:
    """Tell whether the database would say the same again, because of what it was given."""
    return type(error) is StoreError and error.message.startswith("the database refused")
