"""Who plays in the story, and by which prices the town lives."""

from __future__ import annotations

import secrets
from importlib.resources import files
from pathlib import Path

from gridwright.cli.story.stage import Stage
from gridwright.domain.access import Role

# Bundled example cards become the town's own: in its folder they are real prices, and bills are kept.
CARDS = ("residential-tou", "shop-demand")
CUSTOMER_POINT = "UP-1002"
CAST: tuple[tuple[str, Role, tuple[str, ...] | None], ...] = (
    ("anna", Role.OPERATOR, None),
    ("boris", Role.OPERATOR, None),
    ("carla", Role.BILLER, None),
    ("dora", Role.CUSTOMER, (CUSTOMER_POINT,)),
    ("head-end", Role.DEVICE, None),
)
MACHINES = (Role.DEVICE,)


def write_cards(folder: Path) -> Path:
    """Write the town's rate cards and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in CARDS:
        text = (files("gridwright.billing") / "cards" / f"{name}.toml").read_text(encoding="utf-8")
        own = text.replace("example = true\n", "").replace("Europe/Madrid", "Europe/Berlin")
        (folder / f"{name}.toml").write_text(own, encoding="utf-8")
    return folder


def hire(stage: Stage) -> None:
    """Add the players as users, each with a key, and people with a password."""
    for name, role, points in CAST:
        person = role not in MACHINES
        user: dict[str, str | list[str]] = {"name": name, "role": role.value}
        if points is not None:
            user["points"] = list(points)
        if person:
            stage.passwords[name] = user["password"] = secrets.token_urlsafe(9)
        stage.boss.post("/v1/users", user)
        stage.keys[name] = stage.boss.post("/v1/keys", {"user": name, "label": "demo"})["token"]
