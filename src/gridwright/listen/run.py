"""Listening until a signal ends it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from gridwright.domain.errors import ConfigError
from gridwright.listen.listener import Listener, ListenFigures

if TYPE_CHECKING:
    from gridwright.app import Platform


def listen(platform: Platform, ready: Callable[[], None] = lambda: None) -> ListenFigures:
    """Listen until SIGTERM or SIGINT, and return what came of it; ConfigError where no broker is set."""
    chosen = platform.settings.mqtt
    if not chosen.host:
        raise ConfigError("no broker is set", remedy="set mqtt.host in gridwright.toml, or GRIDWRIGHT_MQTT__HOST")
    listener = Listener(platform, chosen)
    asyncio.run(_until_told(listener, ready))
    return listener.figures


async def _until_told(listener: Listener, ready: Callable[[], None]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    telling = loop.create_task(_tell(listener, ready))
    await listener.run(stop)
    telling.cancel()


async def _tell(listener: Listener, ready: Callable[[], None]) -> None:
    await listener.up.wait()
    ready()
