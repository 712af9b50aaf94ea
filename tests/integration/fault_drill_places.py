"""What the fault drill breaks: a line that can be cut, a disk that is small, a PostgreSQL of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.integration.listen_site import free_port


class Impossible(Exception):
    """This machine cannot play a fault; the reason is told in the table."""


class Proxy:
    """A way to the centre that can be cut: what is under way is dropped, and nobody comes through.

    Or it falls silent: whoever comes is taken in, as is what they send, and nothing goes on until it speaks again.
    """

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self.is_cut = False
        self.speaks = threading.Event()
        self.speaks.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with near, suppress(OSError):
            self.speaks.wait()
            if self.is_cut:
                return
            with socket.create_connection(self._to, 10) as far:
                self._pairs.add((near, far))
                back = threading.Thread(target=pump, args=(far, near, self), daemon=True)
                back.start()
                pump(near, far, self)
                back.join()
                self._pairs.discard((near, far))

    def cut(self) -> None:
        self.is_cut = True
        self.speaks.set()
        for near, far in list(self._pairs):
            for each in (near, far):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        self._listener.close()


def pump(source: socket.socket, target: socket.socket, proxy: Proxy) -> None:
    with suppress(OSError):
        while (data := source.recv(65_536)) and not proxy.is_cut:
            proxy.speaks.wait()
            target.sendall(data)
    proxy.speaks.wait()
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def system(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Callable[[], Path]]:
    """Mount a small disk of its own at a folder, and return what fills it up."""
    folder.mkdir(exist_ok=True)
    try:
        system("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        raise Impossible("mounting a small disk needs root") from error

    def fill() -> Path:
        filler = folder / "filler"
        with filler.open("wb", buffering=0) as file:
            for piece in (1 << 20, 4096):  # quickly, then to the last page
                with suppress(OSError):
                    while True:
                        file.write(b"\0" * piece)
        return filler

    try:
        yield fill
    finally:
        system("umount", "-l", str(folder))


class PrivatePostgres:
    """A PostgreSQL cluster of the drill's own, in a folder of its own, on a port of its own."""

    def __init__(self) -> None:
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not versions or shutil.which("runuser") is None:
            raise Impossible("PostgreSQL's initdb and runuser are not installed")
        self._bin, self.port = versions[-1].parent, free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="drill-pg-"))
        try:
            shutil.chown(self.folder, "postgres", "postgres")
            self._run("initdb", "-D", str(self.folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync")
        except (OSError, LookupError, subprocess.CalledProcessError) as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise Impossible("a cluster of PostgreSQL cannot be made by this user") from error
        self._control("start")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def _run(self, program: str, *options: str) -> None:
        system("runuser", "-u", "postgres", "--", str(self._bin / program), *options)

    def _control(self, act: str, *options: str) -> None:
        said = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        place = ("-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"))
        self._run("pg_ctl", act, *place, *(() if act == "stop" else ("-o", said)), *options)

    def restart(self) -> None:
        """Restart it as after a power cut."""
        self._control("restart", "-m", "immediate")

    def cut_power(self) -> None:
        """End it at once, as a power cut does."""
        number = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(number, signal.SIGQUIT)

    def power_up(self) -> None:
        """Start it again, as soon as what is left of it is gone."""
        with suppress(subprocess.CalledProcessError):
            self._control("stop", "-m", "immediate")
        self._control("start")

    def close(self) -> None:
        self._control("stop", "-m", "immediate")
        shutil.rmtree(self.folder, ignore_errors=True)
