"""The tree of commands is made once a process also for Typer's runner, as the command line itself does.

To make it Typer reads the signature of each command, 80 ms for whatever a test runs.
"""

from __future__ import annotations

from functools import cache

import typer.main
import typer.testing


def begin() -> None:
    """Have trees kept from now on."""
    typer.testing._get_command = cache(typer.main.get_command)  # type: ignore[attr-defined] # what its runner calls
