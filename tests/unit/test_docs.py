"""Docs that cannot rot: every command, setting, error and finding is documented, and every example runs."""

from __future__ import annotations

import ast
import gc
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
import typer
from pydantic import BaseModel

from gridwright.cli import app, main
from gridwright.domain import errors
from gridwright.formats.registry import READERS
from gridwright.settings import Settings
from gridwright.vee.rules.catalogue import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typer._click.core import Command

    # A command and the folder it runs in → its exit code, what it printed, what it said on stderr.
    Runner = Callable[[str, Path], tuple[int, str, str]]

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)]
FENCE = re.compile(
    r"(?:<!-- (?P<note>not run: .+?|exit \d) -->\n+)?^```(?P<language>python|console)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
# No server of this machine is asked how it is.
ALONE = {"GRIDWRIGHT_SERVER__PORT": "0"}
FINDING_CODE = re.compile(r"^[VEQ]\d{2}_[a-z0-9_]+$")
MAY_HOLD_A_CODE = re.compile(r"[VEQ]\d{2}_[a-z0-9]")


def page(name: str) -> str:
    """Read a page of the reference."""
    return (REFERENCE / name).read_text(encoding="utf-8")


# --- commands ---------------------------------------------------------------------------------------------------------


def commands(group: Command, path: tuple[str, ...] = ("gridwright",)) -> Iterator[tuple[str, Command]]:
    """Walk the command line's tree down to the commands that do something."""
    below = getattr(group, "commands", None)
    if below is None:
        yield " ".join(path), group
        return
    for name, command in below.items():
        yield from commands(command, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


def command_section(name: str) -> str:
    """Return what the reference says of one command."""
    section = re.split(rf"^#+ `{name}`.*$", page("cli.md"), maxsplit=1, flags=re.MULTILINE)[-1]
    return re.split(r"^#+ `gridwright", section, maxsplit=1, flags=re.MULTILINE)[0]


def test_the_command_line_is_found() -> None:
    assert {"gridwright report", "gridwright reading import", "gridwright bill run"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_in_the_reference(name: str) -> None:
    assert re.search(rf"^#+ `{name}`", page("cli.md"), re.MULTILINE), f"docs/reference/cli.md needs a heading `{name}`"


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_is_in_the_reference(name: str) -> None:
    section = command_section(name)
    options = [option for parameter in COMMANDS[name].params for option in parameter.opts if option.startswith("--")]
    assert [option for option in options if option not in section and option != "--help"] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_each_help_shows_an_example(name: str) -> None:
    command = COMMANDS[name]
    text = f"{command.help or ''}\n{getattr(command, 'epilog', None) or ''}"
    assert f"{name} " in f"{text} ".replace("\n", " ").replace("`", " "), f"{name} --help needs an example"


# --- settings, errors, findings ---------------------------------------------------------------------------------------


def models_in(annotation: object) -> list[type[BaseModel]]:
    """Find the settings classes that a field's annotation names."""
    parts = (annotation, *get_args(annotation))
    return [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]


def setting_names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Walk the settings down to the leaves, as dotted names."""
    for name, field in model.model_fields.items():
        nested = models_in(field.annotation)
        for inner in nested:
            yield from setting_names(inner, f"{prefix}{name}.")
        if not nested:
            yield f"{prefix}{name}"


SETTINGS = list(setting_names(Settings))
ERRORS = [
    name
    for name, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, Exception) and value.__module__ == errors.__name__
]


def finding_codes() -> set[str]:
    """Gather the finding codes written anywhere in the source."""
    return {
        node.value
        for path in (ROOT / "src" / "gridwright").rglob("*.py")
        if MAY_HOLD_A_CODE.search(text := path.read_text(encoding="utf-8"))  # to parse all takes seconds
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and FINDING_CODE.match(node.value)
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in page("settings.md"), f"docs/reference/settings.md needs `{name}`"


@pytest.mark.parametrize("name", ERRORS)
def test_each_error_is_documented(name: str) -> None:
    assert f"`{name}`" in page("errors.md"), f"docs/reference/errors.md needs `{name}`"


@pytest.mark.parametrize("name", ERRORS)
def test_each_exit_code_is_right(name: str) -> None:
    assert f"| `{name}` | {getattr(errors, name).exit_code} |" in page("errors.md")


def test_each_finding_is_documented() -> None:
    codes = finding_codes()
    assert "V17_stuck" in codes
    text = page("findings.md")
    assert [code for code in sorted(codes) if f"`{code}`" not in text] == []


def test_each_parameter_of_a_rule_is_documented() -> None:
    section = page("findings.md").partition("## Parameters of the rules")[2]
    rows = dict(re.findall(r"^\| `(V\w+)` \| (.+) \|$", section, re.MULTILINE))
    for code, make in RULES.items():
        names = [each.name for each in fields(make)]  # type: ignore[arg-type]
        assert [name for name in names if f"`{name}`" not in rows.get(code, "")] == [], code


# --- examples ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Example:
    """A fenced block of a page: what it holds, where it stands and how it should end."""

    language: str
    body: str
    place: str
    exit_code: int


def examples(path: Path, *, run: bool = True) -> list[Example]:
    """List a page's blocks; without `run` those marked `<!-- not run: reason -->`; `<!-- exit 1 -->` is a failure."""
    text = path.read_text(encoding="utf-8")
    return [
        Example(
            found["language"],
            found["body"],
            f"{path.relative_to(ROOT)}:{text[: found.start('body')].count(chr(10)) + 1}",
            int((found["note"] or "exit 0").removeprefix("exit ")) if run else 0,
        )
        for found in FENCE.finditer(text)
        if (found["note"] or "").startswith("not run") is not run
    ]


def shell_commands(example: Example) -> list[str]:
    """List the `gridwright` commands of a console block; other programs are the reader's own."""
    joined = example.body.replace("\\\n", " ")
    lines = (line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ "))
    return [line for line in lines if line.startswith("gridwright ")]


def run_console(example: Example, folder: Path, run: Runner) -> list[tuple[str, str]]:
    """Run a console block's commands in `folder`, as the reader would; returns each with what it printed."""
    printed = []
    for command in shell_commands(example):
        code, out, err = run(command, folder)
        assert code == example.exit_code, f"{example.place}: {command}\n{out}\n{err}"
        printed.append((command, out))
    return printed


def in_a_shell(command: str, folder: Path) -> tuple[int, str, str]:
    """Run a command as a process of its own, in the reader's shell."""
    shell = shutil.which("bash") or "/bin/sh"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [shell, "-c", command],
        cwd=folder,
        env={**os.environ, **ALONE, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    """Run a command in this process, which costs no start of Python; one that needs the shell goes there."""

    def run(command: str, folder: Path) -> tuple[int, str, str]:
        words = shlex.split(command)
        if {"|", ">", "<", "&&", ";"} & set(words) or set("$*`") & set(command):
            return in_a_shell(command, folder)
        if "seal" in words:
            gc.collect()  # it wants the database alone, which earlier commands would have let go of with their process
        monkeypatch.chdir(folder)
        for name, value in ALONE.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", words)
        code: int | str | None = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        out, err = capsys.readouterr()
        return int(code or 0), out, err

    return run


def run_python(example: Example, folder: Path, names: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a Python block in `folder`, with the names that earlier blocks of the page left."""
    monkeypatch.chdir(folder)
    # The first line of the block keeps its number on the page, so that a failure points there.
    first = int(example.place.rsplit(":", 1)[1])
    code = compile("\n" * (first - 1) + example.body, example.place, "exec")
    exec(code, names)  # noqa: S102 - running the page's own example is the test


@pytest.fixture(scope="session")
def demo_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's meter file, `town.csv`, which the examples may use."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "gridwright.simulate.demo_file", str(folder)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return folder / "town.csv"


CLI_PAGE = REFERENCE / "cli.md"
WITH_EXAMPLES = [path for path in PAGES if path != CLI_PAGE and any(examples(path))]
# Objects whose keys are data (a finding's code, a model's name), not fields.
KEYS_ARE_DATA = {
    "attributes",
    "by_method",
    "coefficients",
    "findings",
    "fit_s_by_model",
    "models",
    "predict_s_by_model",
    "rules",
    "settings",
    "tables",
}
# What a command's own section leaves to another page.
TOLD_ELSEWHERE = {"gridwright vee rules": (REFERENCE / "findings.md", DOCS / "howto" / "write_vee_rules.md")}


def keys_of(document: object, *, are_data: bool = False) -> set[str]:
    """Gather the field names of a JSON document, at every depth."""
    if isinstance(document, list):
        return set().union(*(keys_of(item) for item in document))
    if not isinstance(document, dict):
        return set()
    below = (keys_of(value, are_data=key in KEYS_ARE_DATA) for key, value in document.items())
    return set().union(() if are_data else document, *below)


def test_each_json_field_is_in_the_reference(demo_file: Path, tmp_path: Path, in_process: Runner) -> None:
    shutil.copy(demo_file, tmp_path / "town.csv")
    common = page("cli.md").partition("## `gridwright")[0]
    told = [done for example in examples(CLI_PAGE) for done in run_console(example, tmp_path, in_process)]
    # What needs an id of the reader's own, or a server that stays, is shown and not run.
    only_shown = [command for example in examples(CLI_PAGE, run=False) for command in shell_commands(example)]
    every = [*only_shown, *(command for command, _ in told)]
    assert {name for name in COMMANDS for command in every if f"{command} ".startswith(f"{name} ")} == set(COMMANDS)
    lacking = {}
    for command, printed in told:
        if "--json" in command:
            name = max((name for name in COMMANDS if command.startswith(name)), key=len)
            elsewhere = (path.read_text(encoding="utf-8") for path in TOLD_ELSEWHERE.get(name, ()))
            text = "".join([common, command_section(name), *elsewhere])
            lacking[name] = [key for key in sorted(keys_of(json.loads(printed))) if f"`{key}`" not in text]
    assert {name: keys for name, keys in lacking.items() if keys} == {}


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_run(
    path: Path, demo_file: Path, tmp_path: Path, in_process: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(demo_file, tmp_path / "town.csv")
    names: dict[str, object] = {"__name__": "__main__"}
    for example in examples(path):
        if example.language == "console":
            run_console(example, tmp_path, in_a_shell if path.name == "README.md" else in_process)
        else:
            run_python(example, tmp_path, names, monkeypatch)


SERVES = re.compile(r"gridwright (?:serve|listen) (?:\w+ )?--data (\S+)")
KEEPS_PEOPLE = re.compile(r"gridwright (?:--config \S+ )?(?:user|key) [a-z]+")


@pytest.mark.parametrize("path", [path for path in PAGES if path != CLI_PAGE], ids=lambda path: path.name)
def test_a_page_with_a_server_s_folder_makes_keys_in_it(path: Path) -> None:
    """Without its folder, a user or key would go into another database than that of the server."""
    text = path.read_text(encoding="utf-8")
    if SERVES.search(text):
        assert KEEPS_PEOPLE.findall(text) == [], f"name the folder: gridwright --data {SERVES.findall(text)[0]} …"


def test_what_the_architecture_says_to_open_is_there() -> None:
    """Rooms and files of its tables, below `src/gridwright` or the repository."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = re.findall(r"`([a-z_]+(?:/[a-z_*]+)*(?:/|\.py|\.toml))`", text)
    assert len(named) > 20
    gone = [each for each in named if not any(any(root.glob(each)) for root in (ROOT / "src" / "gridwright", ROOT))]
    assert not gone


def test_the_drawing_names_each_format_that_is_read_and_each_package() -> None:
    drawing = (ROOT / "docs/_static/architecture.svg").read_text(encoding="utf-8")
    words = re.findall(r"[a-z][a-z0-9 ]+", re.sub(r"<(?!/?text)[^>]*>|<[^>]*>", "\n", drawing))
    said = {word.strip() for word in words}
    assert {reader.name.replace("-", " ") for reader in READERS} - said == set()
    packages = {path.parent.name for path in (ROOT / "src/gridwright").glob("*/__init__.py")}
    assert {name.partition("_")[0] for name in packages} - said == set()


def test_the_readme_shows_both_ways_in() -> None:
    languages = {example.language for example in examples(ROOT / "README.md")}
    assert languages == {"python", "console"}
