"""What the acts of the story share: the town, the server, who plays, and what was found true."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gridwright.cli.story.client import Client
from gridwright.cli.story.server import ServerProcess
from gridwright.domain.errors import GridwrightError

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.domain.interval import Interval
    from gridwright.simulate.living import LivingTown
    from gridwright.simulate.virtual_meter import MeterServerThread, VirtualMeter

WAIT_S = 180.0  # a busy machine is slow, not broken
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be so: what, whether it is, and what was found."""

    what: str
    holds: bool
    found: str


@dataclass(slots=True)
class Stage:
    """The story as far as it has come."""

    out: Path
    now: datetime
    say: Callable[[str], None]
    server: ServerProcess
    town: LivingTown
    event: Interval
    checks: list[Check] = field(default_factory=list)
    admin: Client | None = None
    keys: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    meters: dict[str, VirtualMeter] = field(default_factory=dict)
    port: MeterServerThread | None = None
    event_id: str = ""

    @property
    def boss(self) -> Client:
        """The admin's client."""
        if self.admin is None:
            raise GridwrightError("the server is not started yet")
        return self.admin

    def as_user(self, name: str) -> Client:
        """Return a client that speaks for one of the players."""
        return self.boss.with_key(self.keys[name])

    @contextmanager
    def beside(self) -> Iterator[Platform]:
        """Open the same store as the command line does, beside the server."""
        from gridwright.app import Platform
        from gridwright.settings import Settings, StoreSettings

        folder = self.server.data
        url = self.server.environment.get("GRIDWRIGHT_STORE__URL", f"{folder}/")
        platform = Platform(Settings(store=StoreSettings(url=url, secret_key=folder / "secret.key")))
        try:
            yield platform
        finally:
            platform.close()

    def check(self, what: str, holds: object, found: object = "") -> None:
        """Note whether something is so, and say so."""
        self.checks.append(Check(what, bool(holds), str(found)))
        self.say(f"     {'✓' if holds else '✗'} {what}{f': {found}' if found != '' else ''}")

    def wait(self, what: str, done: Callable[[], object], wait_s: float = WAIT_S) -> None:
        """Wait until something is done; after `wait_s` it is an error that says what was waited for."""
        until = time.monotonic() + wait_s
        while not done():
            if time.monotonic() > until:
                raise GridwrightError(f"waited {wait_s:g} s in vain: {what}", remedy=f"see {self.server.log}")
            time.sleep(POLL_S)


def clock() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)
