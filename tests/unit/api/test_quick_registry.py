"""The short way and the registry: names are looked up in what was read after they came, never in what was before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from gridwright.api import quick
from gridwright.api.entrance_lines import PlainWay, tell_lines
from gridwright.api.ingest import compiled
from gridwright.api.ingest.lines import LineMapping, decode_alike, usual_fields
from gridwright.api.ingest.names import Directories, Directory
from gridwright.api.ingest.plain import PlainLines
from gridwright.api.quick import Post, Quick
from gridwright.domain.access import LOCAL_OWNER

if TYPE_CHECKING:
    from gridwright.api.ingest.lines import DecodedLines

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
BODY = "".join(f"energy,usage_point=UP-{at} energy_kwh=0.25 1773136800\n" for at in range(40)).encode()
TOWN = {f"UP-{at}": at for at in range(40)}
MAPPING = LineMapping(usual_fields())


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Quick:
    """A short way that knows its sender, and has not read the registry yet."""
    made = Quick.__new__(Quick)
    made._platform = cast("Any", SimpleNamespace(clock=lambda: NOW))
    nobody_changes_it = SimpleNamespace(store=SimpleNamespace(registry=SimpleNamespace(revision=0)))
    made._directories, made.large = Directories(cast("Any", nobody_changes_it)), cast("Any", {"/write": None})
    door = SimpleNamespace(remembered_by=lambda _: LOCAL_OWNER)
    monkeypatch.setattr(quick, "doorkeeper", lambda _: door)
    monkeypatch.setattr(Directories, "should_read", lambda *_: False)
    return made


def post(*, plain: PlainWay | None = None, meanwhile: Any = lambda: None) -> Post:  # noqa: ANN401
    def decode(body: bytes, media: str, now: datetime) -> DecodedLines | None:
        del media
        meanwhile()
        return decode_alike(body, MAPPING, "s", now)

    return Post("/write", b"", 1 << 20, "", decode, tell_lines, plain)


def read(short: Quick) -> None:
    """Do what a thread does beside the requests."""
    short._directories.now = Directory(TOWN, taken=float("inf"))


def test_what_was_read_while_a_body_is_decoded_counts_for_its_names(short: Quick) -> None:
    batch = short._batch(post(meanwhile=lambda: read(short)), BODY)
    assert batch is not None
    assert not batch.resolved.quarantined.size
    assert batch.readings == 40


def test_without_the_registry_nothing_is_taken(short: Quick) -> None:
    assert short._batch(post(), BODY) is None


def test_plain_lines_want_a_registry_that_is_not_stale(short: Quick) -> None:
    pytest.importorskip("numba", reason="lines are compiled where numba is installed")
    compiled.load()
    way = PlainWay(PlainLines(MAPPING), MAPPING, "s")
    read(short)
    batch = short._batch(post(plain=way), BODY)
    assert batch is not None
    assert batch.plain is not None
    assert (batch.readings, batch.journal, batch.decoded.verdicts.accepted) == (40, True, 40)
    short._directories.now = replace(short._directories.now, taken=0.0)
    assert short._batch(post(plain=way), BODY) is None


def test_plain_lines_that_cannot_wait_are_what_the_long_way_makes_of_them(short: Quick) -> None:
    pytest.importorskip("numba", reason="lines are compiled where numba is installed")
    compiled.load()
    read(short)
    batch = short._batch(post(plain=PlainWay(PlainLines(MAPPING), MAPPING, "s")), BODY)
    assert batch is not None
    batch.make_usual()
    assert batch.plain is None
    assert batch.decoded.verdicts.accepted == 40
    assert batch.readings == 40
    assert batch.tell(batch).status == 204
