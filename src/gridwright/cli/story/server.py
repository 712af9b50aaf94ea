"""A Gridwright server as a process of its own, started and stopped as a person would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gridwright.cli.story.client import Client
from gridwright.domain.errors import GridwrightError

READY_S = 180.0
STOP_S = 30.0


class ServerProcess:
    """`gridwright serve` on a folder; leave it as a context manager, and it stops cleanly."""

    def __init__(
        self, data: Path, *, port: int = 0, log: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.data, self.port = data, port
        self.log = log or data / "server.log"
        self.environment = dict(environment or {})
        self.url, self.admin_key = "", ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Client:
        """Start it, wait until it is ready, and return a client with the admin key (of the first start)."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        log = self.log.open("a", encoding="utf-8")
        command = [sys.executable, "-m", "gridwright", "serve", "--data", str(self.data), "--port", str(self.port)]
        with log:
            # Of its own process group: Ctrl-C reaches the story alone, which then stops the server in order.
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [*command, "--json"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        ready = self._ready_line()
        self.url, self.admin_key = str(ready["url"]), str(ready.get("admin_key") or "")
        return Client(self.url, self.admin_key)

    def _ready_line(self) -> dict[str, Any]:
        if self._process is None or self._process.stdout is None:
            raise GridwrightError("the server was not started")
        stdout = self._process.stdout
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.append(stdout.readline()), daemon=True)
        reader.start()
        reader.join(READY_S)
        try:
            ready: dict[str, Any] = json.loads(lines[0])
        except (IndexError, ValueError) as error:
            self.stop()
            raise GridwrightError("the server did not start", where=str(self.log), remedy="read its log") from error
        if "url" not in ready:
            self.stop()
            raise GridwrightError(str(ready.get("message", ready)), remedy=str(ready.get("remedy", "")))
        return ready

    def stop(self) -> int:
        """Ask it to stop, wait, and return its exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
