"""What the running system tells about itself: one canonical log line a job, on stderr; stages never log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO, cast

import structlog

from gridwright.domain.printable import printable


class StandardError:
    """Standard error as it is when something is written: whoever replaces it later gets the lines."""

    def write(self, text: str) -> int:
        """Write a text."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Push it out."""
        sys.stderr.flush()


def configure_log(level: str = "warning", *, json_lines: bool = False) -> None:
    """Send log lines of at least `level` to stderr: coloured for people, JSON for machines."""
    # Plain tracebacks: the pretty ones show local variables, and with them keys and passwords.
    plain = structlog.dev.plain_traceback
    renderer: Any = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain)
    if json_lines:
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if json_lines else [_shown]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", StandardError())),
        cache_logger_on_first_use=False,
    )


def _shown(logger: object, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write what steers a terminal as JSON does: topics, names and values come from strangers."""
    del logger, name
    return {key: printable(value) if isinstance(value, str) else value for key, value in event.items()}


@contextmanager
def job_line(job: str, **facts: object) -> Iterator[dict[str, object]]:
    """Write one line when the job ends: its facts, what it added to them, how long it took, and how it failed."""
    found: dict[str, object] = dict(facts)
    log = structlog.get_logger()
    began = time.perf_counter()
    try:
        yield found
    except Exception as error:
        # The error itself travels on, to whoever tells it to a person; this line is for the record.
        log.info(job, outcome="failed", error=str(error), seconds=round(time.perf_counter() - began, 3), **found)
        raise
    log.info(job, seconds=round(time.perf_counter() - began, 3), **found)
