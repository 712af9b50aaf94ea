"""Programs that tests start are forked off a process that has imported all of Gridwright, once for each worker.

Half of what most such tests take is the start: a server imports 1,600 modules. Everything else is as ever: it is a
process of its own, with its own environment, files and signals, a child of the test's, and can be killed at any moment.
That a program starts from nothing is what the tests of `serve`, of the command line and of a clean installation check;
with GRIDWRIGHT_TEST_LONG every program does.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))
ONE_MESSAGE = 1 << 20
SET_CHILD_SUBREAPER = 36
# What the interpreter and its libraries look at before the first line of a program.
AT_START = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "OMP_", "OPENBLAS_", "NUMBA_", "MALLOC_")
FOLLOWS = {"PYTHONPATH"}  # differs, and is followed after all
MACHINE = "gridwright.formats.line_protocol.scan"
# What Gridwright imports where it is used, besides its own modules.
USED_LATER = (
    "alembic.command",
    "httptools",
    "psycopg",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.parquet",
    "pymysql",
    "pysqlite3.dbapi2",
    "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
ELSEWHERE = ("gridwright.__main__", "gridwright.store.migrations", MACHINE)
_one_at_a_time = threading.Lock()


class Process(subprocess.Popen[str]):
    """As `subprocess.Popen` with texts; a Python program that asks nothing unusual of its interpreter is forked."""

    def __init__(self, args: Sequence[str], **options: Any) -> None:  # noqa: ANN401 - those of Popen
        self._forks = _is_forkable(args, options)
        super().__init__(args, text=True, **options)

    def _execute_child(self, args: Any, *more: Any) -> None:  # noqa: ANN401 - as the standard library hands it on
        if not self._forks:
            super()._execute_child(args, *more)  # type: ignore[misc] # not in the stubs
            return
        cwd, env, pipes = more[4], more[5], more[9:15]  # what the program gets and what we keep, by turns
        its = [own if pipe == -1 else pipe for own, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
        told = {"words": list(args[1:]), "cwd": os.fspath(cwd or Path.cwd()), "env": dict(env or os.environ)}
        with _one_at_a_time:
            line = _beginner()
            with _adopting():
                socket.send_fds(line, [json.dumps(told).encode()], its)
                self.pid = int(line.recv(ONE_MESSAGE) or "0")
        assert self.pid, "what programs are forked off has ended"
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined] # not in the stubs


def run(
    command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; as `subprocess.run` that captures the output and checks nothing."""
    pipe = subprocess.PIPE
    with Process(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, cwd=cwd, env=env) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _is_forkable(args: Sequence[str], options: Mapping[str, Any]) -> bool:
    usual = {"stdin", "stdout", "stderr", "cwd", "env"}
    if LONG or sys.platform != "linux" or list(args[:1]) != [sys.executable] or args[1] not in {"-m", "-c"}:
        return False
    env = options.get("env")
    return options.keys() <= usual and _at_start(os.environ if env is None else env) == _at_start(_beginners_env())


def _at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(AT_START) and name not in FOLLOWS}


@cache
def _beginners_env() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GRIDWRIGHT_")}


@cache
def _beginner() -> socket.socket:
    """Start what all is forked off; it ends when this process does."""
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        command = [sys.executable, "-m", "tests.quick_processes", str(its.fileno())]
        nothing = subprocess.DEVNULL
        process = subprocess.Popen(
            command, cwd=ROOT, env=_beginners_env(), pass_fds=[its.fileno()], stdin=nothing, stdout=nothing
        )
    atexit.register(process.wait)
    atexit.register(mine.close)  # first
    return mine


@contextmanager
def _adopting() -> Iterator[None]:
    """Have what is forked off become a child of this process when the one between has ended."""
    kernel = ctypes.CDLL(None).prctl
    assert kernel(SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        kernel(SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def import_all() -> None:
    """Import all of Gridwright, and what it imports later."""
    package = import_module("gridwright")
    for found in walk_packages(package.__path__, "gridwright."):
        if not found.name.startswith(ELSEWHERE):
            import_module(found.name)
    for name in (*USED_LATER, MACHINE):
        with suppress(ImportError):  # an extra
            import_module(name)


def compile_machine() -> None:
    """Have the machine code kept: whoever needs it would compile it for seconds, and again where that is killed."""
    from gridwright.api.ingest import compiled

    kept = (ROOT / "src/gridwright/formats/line_protocol/__pycache__").glob("scan.*.nbi")
    first = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    if first and compiled.is_installed() and not any(kept) and os.fork() == 0:
        compiled.load()
        os._exit(0)


def next_program(line: socket.socket) -> dict[str, Any]:
    """Fork for each program that is asked for; returns in the forked process alone, and ends where nobody asks."""
    while True:
        message, its, *_ = socket.recv_fds(line, ONE_MESSAGE, 3)
        if not message:
            sys.exit()
        ours, theirs = os.pipe()
        with warnings.catch_warnings(action="ignore"):  # of threads of libraries, which look after themselves
            between = os.fork()
        if between == 0:
            own = os.getpid()
            program = os.fork()
            if program:
                os.write(theirs, str(program).encode())
                os._exit(0)
            for place, descriptor in enumerate(its):
                os.dup2(descriptor, place)
            os.closerange(3, max(*its, line.detach(), ours, theirs) + 1)
            while os.getppid() == own:
                time.sleep(0.0005)
            told: dict[str, Any] = json.loads(message)
            return told
        os.waitpid(between, 0)  # from here on it is a child of whoever asked
        line.send(os.read(ours, 100))
        for descriptor in (ours, theirs, *its):
            os.close(descriptor)


def become(words: Sequence[str], cwd: str, env: Mapping[str, str]) -> None:
    """Run a program as `python` with these words would."""
    own = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    how, what, *rest = words
    named = [each for each in env.get("PYTHONPATH", "").split(os.pathsep) if each]
    sys.path[:] = [cwd if how == "-m" else "", *named, *(each for each in sys.path[1:] if each not in own)]
    sys.argv[:] = [how, *rest]
    main = sys.modules["__main__"] = ModuleType("__main__")
    if how == "-m":
        runpy._run_module_as_main(what)  # type: ignore[attr-defined] # what `python -m` calls
    else:
        exec(compile(what, "<string>", "exec"), main.__dict__)  # noqa: S102 - the test's own program


def end(code: int) -> None:
    """End as the interpreter does, but without taking apart all that was imported, which takes as long as a test."""
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads, as at the end of any program
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    ctrl_c = signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked = socket.socket(fileno=int(sys.argv[1]))
    import_all()
    compile_machine()
    gc.collect()
    gc.freeze()
    wanted = next_program(asked)
    signal.signal(signal.SIGINT, ctrl_c)
    try:
        become(**wanted)
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        end(ended.code or 0)
    end(0)
