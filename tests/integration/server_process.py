"""A real `gridwright serve` as a process of its own, found by the JSON line it prints, stopped by a signal."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from tests.quick_processes import Process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

UP_WITHIN_S = 600.0  # on a machine that others keep busy: nobody waits longer than it takes
DOWN_WITHIN_S = 300.0
# The servers speak HTTP: to read the authorities of HTTPS for each client takes longer than what most tests ask.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(slots=True)
class Server:
    """A server that runs: where it is, the admin's key of its first start, and all that it wrote to stderr."""

    process: subprocess.Popen[str]
    url: str
    admin_key: str = ""
    _stderr: list[str] = field(default_factory=list)
    _reader: threading.Thread | None = None

    @property
    def stderr(self) -> str:
        """What it said until now; all of it once it has ended."""
        return "".join(self._stderr)

    def client(self, key: str | None = None, **more: Any) -> httpx.Client:  # noqa: ANN401 - options of httpx
        """Return a client that shows the admin's key, or another; an empty one shows none."""
        token = self.admin_key if key is None else key
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        more.setdefault("verify", NO_AUTHORITIES)
        return httpx.Client(base_url=self.url, headers=headers | more.pop("headers", {}), timeout=30, **more)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._wait()

    def _wait(self) -> int:
        try:
            code = self.process.wait(DOWN_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        if self._reader is not None:
            self._reader.join(DOWN_WITHIN_S)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code


def start(
    data: Path, *options: str, env: Mapping[str, str] | None = None, key: str = "", before: Sequence[str] = ()
) -> Server:
    """Start a server on any free port and wait until it takes connections; `key` where it is no first start.

    `before`: what runs it, such as the command that enters a network namespace.
    """
    port = () if "--port" in options else ("--port", "0")
    command = [sys.executable, "-m", "gridwright", "serve", "--data", str(data), *port, "--json", *options]
    return launch([*before, *command], data.parent, env=env, key=key)


def launch(command: Sequence[str], cwd: Path, *, env: Mapping[str, str] | None = None, key: str = "") -> Server:
    """Start a program that prints its address as a JSON line, and wait for that."""
    pipe = subprocess.PIPE
    process = Process(command, stdout=pipe, stderr=pipe, cwd=cwd, env={**os.environ, **(env or {})})
    out, err = process.stdout, process.stderr
    assert out is not None
    assert err is not None
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(iter(err.readline, "")), daemon=True)
    reader.start()
    hopeless = threading.Timer(UP_WITHIN_S, process.kill)
    hopeless.start()
    line = out.readline()
    hopeless.cancel()
    if not line.startswith('{"url"'):
        process.kill()
        process.wait(DOWN_WITHIN_S)
        reader.join(DOWN_WITHIN_S)
        raise AssertionError(f"the server did not start: {line!r}; {''.join(said)}")
    told = json.loads(line)
    return Server(process, told["url"], told.get("admin_key", key), said, reader)


@contextmanager
def serving(
    data: Path, *options: str, env: Mapping[str, str] | None = None, key: str = "", quiet: bool = True
) -> Iterator[Server]:
    """Run a server for the length of the block; it must end well and, if `quiet`, have said nothing on stderr."""
    server = start(data, *options, env=env, key=key)
    try:
        yield server
    except BaseException:
        server.stop()
        sys.stderr.write(server.stderr)
        raise
    assert server.stop() == 0, server.stderr
    assert "Traceback" not in server.stderr, server.stderr
    assert server.stderr == "" or not quiet, server.stderr
