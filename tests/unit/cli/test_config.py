"""`gridwright config show` prints what is set, and no password."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from gridwright.cli import app

ADDRESS = "postgresql+psycopg://biller:hunter2@db.example.org/gridwright"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_password_is_not_shown(options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDWRIGHT_STORE__URL", ADDRESS)
    done = CliRunner().invoke(app, ["config", "show", *options])
    assert done.exit_code == 0
    assert "biller@db.example.org" in done.output
    assert "hunter2" not in done.output


def test_each_setting_tells_where_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDWRIGHT_SITE__ZONE", "Europe/Berlin")
    done = CliRunner().invoke(app, ["config", "show", "--json"])
    settings = json.loads(done.stdout)["settings"]
    assert settings["site.zone"] == {"value": "Europe/Berlin", "origin": "GRIDWRIGHT_SITE__ZONE"}
    assert settings["report.details"]["origin"] == "default"
