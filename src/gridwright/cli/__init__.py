"""The command line: `gridwright NOUN VERB`; each command parses, calls the platform, prints."""

from __future__ import annotations

import gc

from gridwright.cli.interrupts import loading

# What is imported stays: to look for garbage among it, at every 700th object, took a sixth of a server's start.
gc.set_threshold(10_000)

with loading():
    from gridwright.cli.main import app, main

__all__ = ["app", "main"]
