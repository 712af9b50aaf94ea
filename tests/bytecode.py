"""What sources are compiled to is kept once: the workers of a run, and the processes that tests start, share it.

Half of what starting a program costs is compiling what it imports. It is kept also where the environment forbids to
keep it beside the sources.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def keep() -> None:
    """Keep it from now on, in this process and in those that it starts."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ.setdefault("PYTHONPYCACHEPREFIX", str(ROOT / "build" / "bytecode"))


def share(config: pytest.Config) -> None:
    """Have every other worker begin at the end, where all is collected: each compiles half, and finds the rest done."""
    worker = str(getattr(config, "workerinput", {}).get("workerid", "gw0"))
    if int(worker.removeprefix("gw")) % 2 == 0 or config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    for path in sorted(ROOT.glob("tests/**/test_*.py"), reverse=True):
        with suppress(Exception, pytest.skip.Exception):  # whoever collects the file tells what is wrong with it
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


keep()
