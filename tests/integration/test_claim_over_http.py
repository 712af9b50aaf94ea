"""A claim over HTTP whose server is killed in the middle, and given again: all moved in, once, and honestly counted."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import open_store
from tests.integration.server_process import Server, serving, start
from tests.integration.store.test_claimed_in_portions import NOW, START, reading, state

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 5 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 1
DAYS, MISFITS = 200, 9
MOVED = 2 * 24 * DAYS


def filled(url: str) -> None:
    """Have hours, reads, and quarter-hours of days of hours wait: several portions."""
    readings = [reading(slot, float(slot % 7), 3600) for slot in range(24 * DAYS)]
    readings += [reading(slot, 1000.0 + 5 * slot, 0) for slot in range(24 * DAYS)]
    readings += [reading(24 * day, 2.0, 900) for day in range(MISFITS)]
    with open_store(url) as store:
        store.registry.save_points(ME, [UsagePoint("UP-1", capacity_kw=100.0)])
        store.quarantine.save(ME, readings, received=NOW)


def claimed(server: Server, key: str) -> httpx.Response:
    body = {"usage_point": "UP-1", "since": START.isoformat()}
    with server.client(headers={"Idempotency-Key": key} if key else {}) as client:
        return client.post("/v1/quarantine/M-9/claim", json=body, timeout=120)


def cut_short(server: Server, key: str) -> None:
    with suppress(httpx.HTTPError):
        claimed(server, key)


def left(url: str) -> int:
    with open_store(url) as store:
        return store.quarantine.waiting(ME, "M-9")


def ended(url: str) -> dict[str, Any]:
    """Return what a claim left behind, of a sound store; when the server judged it is its own affair."""
    with open_store(url) as store:
        assert [str(check) for check in verify_store(store, ME).checks if not check.ok] == []
        return {name: left for name, left in state(store).items() if name != "doubts"}


def whole(folder: Path) -> tuple[dict[str, Any], float]:
    """Return what a claim leaves that nobody killed, and how long it took."""
    folder.mkdir()
    url = f"sqlite:///{folder / 'data' / 'gridwright.db'}"
    with serving(folder / "data") as server:
        filled(url)
        began = time.monotonic()
        answer = claimed(server, "")
        took_s = time.monotonic() - began
        assert answer.status_code == HTTPStatus.CREATED
    return ended(url), took_s


@pytest.mark.few_on_servers(0)
@pytest.mark.parametrize("key", ["", "claim-of-M-9"], ids=["no key", "key"])
def test_a_claim_whose_server_is_killed_is_given_again(tmp_path: Path, key: str) -> None:
    expected, took_s = whole(tmp_path / "whole")
    rng = random.Random(len(key))  # noqa: S311 - a story, no secret
    for kill in range(KILLS):
        folder = tmp_path / str(kill)
        folder.mkdir()
        url = f"sqlite:///{folder / 'data' / 'gridwright.db'}"
        server = start(folder / "data")
        filled(url)
        asking = threading.Thread(target=cut_short, args=(server, key))
        asking.start()
        time.sleep(took_s * (kill + rng.uniform(0.2, 0.9)) / KILLS)
        server.kill()
        asking.join()
        waited = left(url)
        with serving(folder / "data", key=server.admin_key) as again:
            answer = claimed(again, key)
            _require_honest(answer, MOVED + MISFITS - waited, key=key)
            if key:
                assert claimed(again, key).content == answer.content
        assert ended(url) == expected
        assert left(url) == MISFITS


def _require_honest(answer: httpx.Response, before: int, *, key: str) -> None:
    """Refuse an answer that tells neither what it moved in nor what had moved in before."""
    assert answer.status_code == HTTPStatus.CREATED, answer.text
    told = answer.json()
    notes = [note for note in told["notes"] if "had moved in before" in note]
    if key and not notes:  # it was killed before anything moved in, or answered before it was killed
        assert told["registers"] == MOVED // 2
        return
    assert notes == ([] if not before else [note for note in notes if note.startswith(f"{before} readings ")])
    assert told["registers"] <= MOVED // 2
    assert before or told["registers"] == MOVED // 2
