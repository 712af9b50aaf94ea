"""The command line: `gridwright NOUN VERB`; each command parses, calls the platform, prints."""

from __future__ import annotations

from gridwright.cli.interrupts import loading

with loading():
    from gridwright.cli.main import app, main

__all__ = ["app", "main"]
