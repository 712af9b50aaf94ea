"""Ctrl-C: exit code 130, a sentence that says what it leaves and how to go on, and nothing half."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import pytest
from typer.testing import CliRunner, Result

from gridwright.cli import output
from gridwright.cli.main import app
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.store import open_store

START = datetime(2025, 1, 1, tzinfo=UTC)
INTERRUPTED = 130
FILES = ("gridwright.db", "there.gwb", "secret.key", "secret.key.users")
SIZE = struct.pack("HHHH", 40, 120, 0, 0)


def csv(points: int, days: int) -> str:
    """Quarter-hours of some meters."""
    stamps = [f"{START + timedelta(minutes=15 * at):%Y-%m-%dT%H:%M:%SZ}" for at in range(96 * days)]
    rows = [f"UP-{n},{stamp},{(n + at) % 9 / 10}" for n in range(points) for at, stamp in enumerate(stamps)]
    return "\n".join(["meter,timestamp,kwh", *rows, ""])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A database with readings that were dealt with, its backup and the key of that."""
    folder = tmp_path_factory.mktemp("filled")
    (folder / "town.csv").write_text(csv(2, 40))
    open_store(folder / "gridwright.db").close()
    done = CliRunner().invoke(app, ["--data", str(folder), "reading", "import", str(folder / "town.csv")])
    assert done.exit_code == 0, done.output
    with open_store(folder) as store:
        store.dirty.clear(ME, store.dirty.ranges(ME))
        with store._engine.connect() as connection:  # all of it into the one file
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    made = CliRunner().invoke(app, ["--data", str(folder), "backup", "create", "-o", str(folder / "there.gwb")])
    assert made.exit_code == 0, made.output
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture
def town(filled: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in filled.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "secret.key").chmod(0o600)
    (tmp_path / "more.csv").write_text(csv(3, 41))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["--data", ".", *words])


def stopped_after(calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ctrl-C come when progress was told so many times."""
    left = calls

    @contextmanager
    def bar(text: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
        del text, quiet

        def advance(done: int, total: int) -> None:
            nonlocal left
            del done, total
            left -= 1
            if left < 0:
                raise KeyboardInterrupt

        yield advance

    monkeypatch.setattr(output, "_bar", bar)


STOPPED: dict[str, tuple[tuple[str, ...], str]] = {
    "import": (("reading", "import", "more.csv"), r"What was read is stored. Run it again: it goes on there"),
    "dry run": (("reading", "import", "more.csv", "--dry-run"), "Nothing was written"),
    "export": (("reading", "export", "--format", "csv", "-o", "out.csv"), "No file was written"),
    "backup": (("backup", "create", "-o", "made.gwb"), "No backup was made; an earlier one is as it was"),
    "backup of a backup's check": (("backup", "verify", "there.gwb"), "Nothing was changed"),
    "restore": (("backup", "restore", "there.gwb", "--to", "new.db"), "Nothing was restored"),
    "archive": (("archive", "run", "--to", "archive", "--before", "2025-02"), "Each month is whole where it is. Run"),
    "verify": (("verify",), "Nothing was changed"),
}


@pytest.mark.parametrize("what", STOPPED)
def test_what_was_stopped_says_how_to_go_on_and_goes_on(town: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    words, said = STOPPED[what]
    before = {path.name for path in town.iterdir()}
    with monkeypatch.context() as patch:
        stopped_after(0, patch)
        result = run(*words)
    assert result.exit_code == INTERRUPTED, result.output
    assert re.search(rf"^Stopped.*: .+\. {said}", result.stderr, re.MULTILINE), result.stderr
    left = {path.name for path in town.rglob("*") if path.is_file()} - before
    assert {name for name in left if not name.endswith(("-wal", "-shm"))} == set()
    again = run(*words)
    assert again.exit_code == 0, again.output


def test_how_far_it_came_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    def count() -> None:
        with output.progress("Counting", stopped="Nothing is lost.") as advance:
            advance(3, 4)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count()
    assert capsys.readouterr().err == "Stopped at 75%: counting. Nothing is lost.\n"


def test_a_watch_that_is_stopped_tells_where_a_file_waits(town: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (town / "inbox").mkdir()

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gridwright.cli.reading_watch.time.sleep", stop)
    result = run("reading", "watch", "inbox")
    assert result.exit_code == INTERRUPTED
    assert "Stopped. What was read is stored; a file under way waits in inbox/taking" in result.stderr


def pressed_within(name: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Let a real Ctrl-C come, once, when a function of this name is called; returns whether it came."""
    came = False

    def look(frame: FrameType, event: str, arg: object) -> None:
        nonlocal came
        del arg
        if event == "call" and frame.f_code.co_name == name and not came:
            came = True
            os.kill(os.getpid(), signal.SIGINT)

    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    sys.setprofile(look)

    def over() -> bool:
        sys.setprofile(None)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, kept)
        return came

    return over


@pytest.mark.parametrize("what", ["watch", "import"])
@pytest.mark.parametrize("number", ["0.5", "half"])
def test_a_ctrl_c_that_a_library_swallows_ends_it_all_the_same(
    town: Path, monkeypatch: pytest.MonkeyPatch, what: str, number: str
) -> None:
    """It comes while pyarrow calls back for a row of another width, in a text that then parses, or does not."""
    (town / "inbox").mkdir()
    row = "UP-0,2025-01-01T00:15:00Z"
    rows = ["meter,timestamp,kwh", f"{row},0.5,odd", f"{row},{number}", *csv(30, 41).splitlines()[1:], ""]
    (town / "inbox" / "odd.csv").write_text("\n".join(rows))
    words = {"watch": ["reading", "watch", "inbox", "--once", "--settle", "0"], "import": ["reading", "import"]}
    over = pressed_within("on_odd_row", monkeypatch)
    try:
        result = run(*words[what], *(["inbox/odd.csv"] if what == "import" else []))
    finally:
        assert over()
    assert result.exit_code == INTERRUPTED, result.output
    assert "Stopped" in result.stderr
    if what == "watch":
        assert [path.name for path in (town / "inbox" / "taking").iterdir()] == ["odd.csv"]


def on_a_terminal(words: list[str], until: bytes) -> tuple[int, str]:
    """Run a real command on a terminal and press Ctrl-C when it has shown something; return code and what it said."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, SIZE)
    command = [sys.executable, "-m", "gridwright", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=its, stdin=its, start_new_session=True)
    os.close(its)
    said, pressed = b"", False
    while True:
        try:
            part = os.read(mine, 65_536)
        except OSError:  # Linux's way to say that nobody is there any more
            break
        said += part
        if not part:
            break
        if until in said and not pressed:
            pressed = True
            os.killpg(process.pid, signal.SIGINT)
    os.close(mine)
    return process.wait(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode())


def test_a_bar_on_a_terminal_and_a_real_ctrl_c(town: Path) -> None:
    # Large enough that the press comes while it is read, however late the bar is shown.
    (town / "big.csv").write_text(csv(40, 160))
    code, said = on_a_terminal(["--data", str(town), "reading", "import", "big.csv"], b"Importing big.csv")
    assert code == INTERRUPTED, said
    assert "\u2501" in said  # the bar
    assert "importing big.csv. What was read is stored" in said
    assert run("reading", "import", "big.csv").exit_code == 0
    with open_store(town) as store:
        assert sum(each.readings for each in store.readings.series(ME)) == 40 * 160 * 96


PRESSED = "exec('raise KeyboardInterrupt')"
CAUGHT = {
    "while it is loaded": f"from gridwright.cli.interrupts import loading\nwith loading(): {PRESSED}",
    "by the command": f"""
import importlib, sys
def command(**_):
    try: {PRESSED}
    except KeyboardInterrupt: sys.exit(130)
main = importlib.import_module("gridwright.cli.main")
main.tree = lambda: command
main.main()
""",
}


@pytest.mark.parametrize("program", CAUGHT.values(), ids=list(CAUGHT))
def test_a_ctrl_c_while_a_text_is_run_ends_with_the_usual_code(program: str, tmp_path: Path) -> None:
    """Python runs one for each data class that it loads, and as `python -m` would kill itself by the signal then."""
    (tmp_path / "pressed.py").write_text(program)
    done = subprocess.run([sys.executable, "-m", "pressed"], cwd=tmp_path, check=False)
    assert done.returncode == INTERRUPTED


# A press in the callback with which each import ends, once a module is being loaded: Python lets nothing out of it.
SWALLOWED = """
import os, signal, sys
left = sys.argv.pop(1)
def look(frame, event, arg):
    code = frame.f_code
    there = event, code.co_name, code.co_filename
    if left in sys.modules and there == ("call", "cb", "<frozen importlib._bootstrap>"):
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGINT)
sys.setprofile(look)
from gridwright.cli import main
main()
"""


@pytest.mark.parametrize(
    ("while_loading", "command"),
    [
        ("typer", ["reading", "watch", "inbox", "--settle", "0.1"]),
        ("gridwright.app", ["reading", "watch", "inbox", "--settle", "0.1"]),
        ("gridwright.app", ["usage-point", "list"]),
    ],
)
def test_a_ctrl_c_that_an_import_swallows_ends_it_before_it_begins(
    town: Path, while_loading: str, command: list[str]
) -> None:
    (town / "inbox").mkdir()
    words = [sys.executable, "-c", SWALLOWED, while_loading, "--data", str(town), *command]
    done = subprocess.run(words, cwd=town, capture_output=True, text=True, timeout=60, check=False)
    assert "Exception ignored" in done.stderr  # it was swallowed
    assert done.returncode == INTERRUPTED, done.stderr
    assert ("Stopped." in done.stderr) == ("watch" in command)
    assert (done.stdout, "Watching" in done.stderr) == ("", False)
