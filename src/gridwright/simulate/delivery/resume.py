"""How far a town has been told, in a small file, so that an interrupted delivery goes on with the same town."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gridwright.domain.errors import GridwrightError, InputError


@dataclass(frozen=True, slots=True)
class Story:
    """Which town is told to which server since when: `born` is when it was first told, `done` what is acknowledged."""

    url: str
    homes: int
    seed: int
    since: datetime
    born: datetime
    done: datetime

    def is_same_town(self, other: Story) -> bool:
        """Tell whether both are one town on one server; when it is told does not matter."""
        return (self.url, self.homes, self.seed) == (other.url, other.homes, other.seed)

    def told_until(self, done: datetime) -> Story:
        """Return the story told further."""
        return replace(self, done=done)


def load_story(path: Path) -> Story | None:
    """Return what was kept, None where there is no file; one that cannot be understood is an InputError."""
    try:
        kept: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        moments = {name: datetime.fromisoformat(kept[name]) for name in ("since", "born", "done")}
        if any(moment.tzinfo is None for moment in moments.values()):
            raise ValueError("a time without offset")  # noqa: TRY301 - told with all that can be wrong with the file
        return Story(str(kept["url"]), int(kept["homes"]), int(kept["seed"]), **moments)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"what was kept of the simulation cannot be read: {error}",
            where=str(path),
            remedy="remove the file to begin anew",
        ) from error


def save_story(path: Path, story: Story) -> None:
    """Keep how far it is; a crash leaves the old file or the new one."""
    fresh = path.with_name(f"{path.name}.new")
    document = {
        "url": story.url,
        "homes": story.homes,
        "seed": story.seed,
        "since": story.since.isoformat(),
        "born": story.born.isoformat(),
        "done": story.done.isoformat(),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(document) + "\n", encoding="utf-8")
        os.replace(fresh, path)  # noqa: PTH105 - Path.replace is the same call
    except OSError as error:
        raise GridwrightError(
            f"how far the simulation is cannot be kept: {error.strerror}",
            where=str(path),
            remedy="name another --state",
        ) from error
