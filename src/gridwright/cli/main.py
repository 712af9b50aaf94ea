"""The command tree, and the one place where failures become messages and exit codes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from copy import copy
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import CommandInfo, TyperInfo

from gridwright import __version__
from gridwright.cli import (
    archive,
    audit,
    backup,
    bill,
    collect,
    config,
    control,
    demo,
    dispatch,
    doctor,
    edge,
    edit,
    event,
    finding,
    forecast,
    journal,
    key,
    listen,
    outage,
    quarantine,
    reading,
    report,
    retention,
    serve,
    simulate,
    usage_point,
    user,
    vault,
    vee,
    verify,
)
from gridwright.cli.context import remember
from gridwright.cli.interrupts import let_code_stand
from gridwright.cli.output import finish, from_os, print_error, say
from gridwright.domain.errors import GridwrightError, UsageError

# Typer's error of a wrong call, the parent of the one it exports.
WRONG_CALL: type[Exception] = typer.BadParameter.__bases__[0]

BEFORE = ("--data", "--config")  # options that stand before the command

app = typer.Typer(
    name="gridwright",
    help="From a meter's data to a trusted reading, a forecast, a plan and a bill.",
    epilog="Start here: gridwright demo",
    no_args_is_help=True,
    add_completion=False,
    # Rich on a terminal only: elsewhere help is plain text, and twice as fast.
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    pretty_exceptions_enable=False,
)
report.register(app)
vee.register(app)
demo.register(app)
doctor.register(app)
verify.register(app)
serve.register(app)
simulate.register(app)
for name, group in {
    "reading": reading.app,
    "usage-point": usage_point.app,
    "forecast": forecast.app,
    "bill": bill.app,
    "dispatch": dispatch.app,
    "collect": collect.app,
    "control": control.app,
    "edit": edit.app,
    "finding": finding.app,
    "quarantine": quarantine.app,
    "edge": edge.app,
    "listen": listen.app,
    "event": event.app,
    "outage": outage.app,
    "user": user.app,
    "key": key.app,
    "audit": audit.app,
    "config": config.app,
    "archive": archive.app,
    "journal": journal.app,
    "backup": backup.app,
    "retention": retention.app,
    "vault": vault.app,
    "vee": vee.app,
}.items():
    app.add_typer(group, name=name)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gridwright {__version__}")
        raise typer.Exit


@app.callback()
def common(
    config_file: Annotated[
        Path | None, typer.Option("--config", help="Settings file (default: ./gridwright.toml if there is one).")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of the database, instead of what the settings name.")
    ] = None,
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """From a meter's data to a trusted reading, a forecast, a plan and a bill."""
    remember(config=config_file, data=data)


def tree() -> Callable[..., Any]:
    """Return the commands as they run: those alone that are among the words typed, or all where help is asked for."""
    words = set(sys.argv[1:])
    known = {*map(_noun, app.registered_groups), *map(_noun, app.registered_commands)}
    return _made(frozenset() if "--help" in words else frozenset(words & known))


def _noun(part: CommandInfo | TyperInfo) -> str:
    return str(part.name or getattr(part.callback, "__name__", ""))


@cache
def _made(nouns: frozenset[str]) -> Callable[..., Any]:
    """Make the commands of some nouns, of none = all; once a process, since Typer reads the signature of each."""
    part = copy(app)
    if nouns:
        part.registered_groups = [group for group in app.registered_groups if _noun(group) in nouns]
        part.registered_commands = [command for command in app.registered_commands if _noun(command) in nouns]
    return typer.main.get_command(part)


def main() -> None:
    """Run the command line; exit 0 = done, 1 = it could not be done, 2 = the call is wrong."""
    as_json = "--json" in sys.argv
    try:
        # Outside standalone mode Typer returns the code of an Exit, and leaves its errors to us.
        code = tree()(standalone_mode=not (as_json or any(map(_words_before, BEFORE))))
    except GridwrightError as error:
        print_error(error, as_json=as_json)
        sys.exit(error.exit_code)
    except WRONG_CALL as error:
        print_error(_from_call(error), as_json=as_json)
        sys.exit(UsageError.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        say("Stopped.")
        sys.exit(130)
    except OSError as error:
        print_error(from_os(error), as_json=as_json)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - whatever it is, a person or a program waits for one answer
        _note_fault()
        print_error(_from_fault(error), as_json=as_json)
        sys.exit(1)
    finally:
        finish()
        let_code_stand()
    sys.exit(code or 0)


def _from_call(error: Exception) -> GridwrightError:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    remedy = "gridwright --help, or --help after the command, tells how to call it"
    late = next((option for option in BEFORE if re.search(rf"No such option: {option}\b", str(message))), "")
    if late:
        remedy = f"it stands before the command: gridwright {late} … {' '.join(_words_before(late))}".rstrip()
    return UsageError(str(message), remedy=remedy)


def _words_before(option: str) -> list[str]:
    """Return the command as it was typed before an option, where that is not among those before the command."""
    words = sys.argv[1:]
    at = next((at for at, word in enumerate(words) if word.partition("=")[0] == option), 0)
    return list(takewhile(lambda word: not word.startswith("-"), words[:at]))


def _from_fault(error: Exception) -> GridwrightError:
    return GridwrightError(
        f"a fault of Gridwright's own: {type(error).__name__}: {error}",
        remedy="please report it, with what you typed and what GRIDWRIGHT_LOG__LEVEL=debug adds",
    )


def _note_fault() -> None:
    import structlog

    # Unless it is set up, it would write to standard output, where the one JSON document belongs.
    if structlog.is_configured():
        structlog.get_logger().debug("fault", exc_info=True)
