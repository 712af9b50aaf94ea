"""Listening until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from gridwright.domain.errors import ConfigError
from gridwright.listen.figures import ListenFigures
from gridwright.listen.listener import Listener

if TYPE_CHECKING:
    from gridwright.app import Platform

LOOK_S = 0.5


def listen(platform: Platform, ready: Callable[[], None] = lambda: None, parent: int = 0) -> ListenFigures:
    """Listen until SIGTERM or SIGINT, and return what came of it; ConfigError where no broker is set, or it refuses us.

    `parent`: the process with which it ends, too.
    """
    chosen = platform.settings.mqtt
    if not chosen.host:
        raise ConfigError("no broker is set", remedy="set mqtt.host in gridwright.toml, or GRIDWRIGHT_MQTT__HOST")
    return asyncio.run(_until_told(platform, ready, parent))


async def _until_told(platform: Platform, ready: Callable[[], None], parent: int) -> ListenFigures:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    listener = Listener(platform, platform.settings.mqtt)
    beside = [loop.create_task(_tell(listener, ready))]
    if parent:
        beside.append(loop.create_task(_outlive(parent, stop)))
    try:
        await listener.run(stop)
    finally:
        for task in beside:
            task.cancel()
    return listener.figures


async def _tell(listener: Listener, ready: Callable[[], None]) -> None:
    await listener.up.wait()
    ready()


async def _outlive(parent: int, stop: asyncio.Event) -> None:
    """Stop in good order when the parent is gone: the broker keeps what comes until the next one listens."""
    while os.getppid() == parent:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(LOOK_S)
    stop.set()
