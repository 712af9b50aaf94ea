"""Readiness of a server: readings are taken whatever the key file, and a wrong one is told."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from gridwright.api.health import Health
from gridwright.app import Platform
from gridwright.domain.errors import GridwrightError
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.vault import Vault
from gridwright.settings import Settings, StoreSettings

if TYPE_CHECKING:
    from pathlib import Path


def a_platform(folder: Path) -> Platform:
    return Platform(Settings(store=StoreSettings(url=str(folder / "a.db"), secret_key=folder / "secret.key")))


def asked(platform: Platform, lag_s: float = 0.0) -> tuple[int, dict[str, Any]]:
    writer = SimpleNamespace(alive=True, figures=lambda: SimpleNamespace(lag_s=lag_s))
    health = Health(platform, writer)  # type: ignore[arg-type]
    answer = asyncio.run(health.readyz({"method": "GET"}, None))  # type: ignore[arg-type]
    return int(answer.status), json.loads(answer.body)


def test_a_wrong_key_file_is_told_and_readings_are_taken(tmp_path: Path) -> None:
    point = UsagePoint("UP-1", attributes={"name": "Ada"})
    platform = a_platform(tmp_path)
    assert asked(platform) == (200, {"status": "ready", "store": "ok", "writer": "ok", "key": "ok"})
    platform.store.sealed.begin(platform.access)
    platform.store.registry.save_points(platform.access, [point])
    platform.close()
    assert asked(a_platform(tmp_path))[1]["key"] == "ok"
    (tmp_path / "secret.key").unlink()
    Vault(tmp_path / "secret.key").seal(b"another")
    platform = a_platform(tmp_path)
    assert asked(platform) == (200, {"status": "ready", "store": "ok", "writer": "ok", "key": "failed"})
    with pytest.raises(GridwrightError, match="key"):
        platform.store.registry.save_points(platform.access, [point])
    platform.close()


def test_a_writer_that_waits_for_its_database_for_ever_is_not_ready(tmp_path: Path) -> None:
    platform = a_platform(tmp_path)
    assert asked(platform, lag_s=59)[1]["writer"] == "ok"
    assert asked(platform, lag_s=61) == (503, {"status": "not ready", "store": "ok", "writer": "failed", "key": "ok"})
    platform.close()
