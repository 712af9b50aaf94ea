"""The first start tells how somebody comes to be admin, also where users were added before it."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gridwright.cli.serve import announce
from gridwright.domain.access import LOCAL_OWNER, Role
from gridwright.domain.identity import User
from gridwright.store import open_store


def test_users_of_whom_none_is_an_admin_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with open_store("sqlite://") as store:
        wired = cast("Any", SimpleNamespace(store=store, access=LOCAL_OWNER, clock=lambda: datetime.now(UTC)))
        for role, told in ((Role.VIEWER, True), (Role.ADMIN, False)):
            store.identities.save_user(LOCAL_OWNER, User(f"{role}", role))
            announce(wired, "http://x", as_json=False)
            out, err = capsys.readouterr()
            assert out == ""  # no key is made
            assert ("none is an admin: gridwright key create NAME --role admin" in err) is told


def test_the_first_start_prints_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    with open_store("sqlite://") as store:
        wired = cast("Any", SimpleNamespace(store=store, access=LOCAL_OWNER, clock=lambda: datetime.now(UTC)))
        announce(wired, "http://x", as_json=False)
        out, err = capsys.readouterr()
        assert out.startswith("gw_")
        assert "none is an admin" not in err
