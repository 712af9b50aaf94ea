"""Find the groups of validation rules: a utility's file goes before the packaged ones."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from gridwright.domain.errors import ConfigError
from gridwright.vee import RuleBook, packaged, rule_book


def find_rules(file: Path | None) -> RuleBook:
    """Read a file of rule groups; None = the packaged ones. A file that is missing or wrong is a ConfigError."""
    if file is None:
        return packaged()
    try:
        changed_ns = file.stat().st_mtime_ns
    except OSError as error:
        raise ConfigError(
            f"file of rules {str(file)!r} cannot be read: {error.strerror}",
            remedy="check vee.rules in the settings, or the path given to --rules",
        ) from error
    return _read(file, changed_ns)


@lru_cache(maxsize=8)
def _read(file: Path, changed_ns: int) -> RuleBook:
    """Read a file once for each time it was written: everything that is judged asks for it."""
    del changed_ns
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("a file of rules must be UTF-8 text", where=str(file), remedy="save it as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"file of rules {str(file)!r} cannot be read: {error.strerror}") from error
    return rule_book(text, str(file))
