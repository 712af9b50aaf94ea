"""What a listener keeps in its folder: births and refused messages, through crashes, full files and sealing."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from gridwright.api.ingest.verdicts import Fault, Verdicts
from gridwright.cli.main import app as gridwright
from gridwright.cli.output import print_told
from gridwright.domain.errors import ConfigError
from gridwright.jobs.upkeep.listener_status import listener_folder
from gridwright.jobs.upkeep.vault import Vault
from gridwright.listen.births import FILE as BIRTHS
from gridwright.listen.births import Births
from gridwright.listen.broker import Arrived
from gridwright.listen.lines import Lines, made, read_lines
from gridwright.listen.rejected import FILE as REJECTED
from gridwright.listen.rejected import Rejected, read_rejected
from gridwright.protocols.sparkplug import Birth

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2025, 1, 1, tzinfo=UTC)


class Source:
    def acknowledge(self, message: Arrived) -> None:
        pass


def message(payload: bytes, topic: str = "gridwright/UP-1/kwh") -> Arrived:
    return Arrived(topic, payload, 1, 1, 1, Source())  # type: ignore[arg-type]


def birth(at_ms: int, device: str = "M-1") -> Birth:
    return Birth("plant", "gateway", device, at_ms, 0, (("power", at_ms % 7, 10),))


def refused() -> Verdicts:
    verdicts = Verdicts()
    verdicts.reject((0, 1), Fault("payload", "there is no number", "send 1.5"), "nonsense")
    return verdicts


def test_the_table_cuts_a_long_topic_and_json_shows_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    topic = "gridwright/" + "x" * 5_000

    async def keep() -> None:
        folder = listener_folder(tmp_path / "town", "gridwright")
        folder.mkdir(parents=True)
        await Rejected(folder).keep(message(b"nonsense", topic), refused(), NOW)

    asyncio.run(keep())
    words = ["listen", "rejected", "--data", "town"]
    shown = CliRunner().invoke(gridwright, words).stdout
    assert f"{topic[:100]}…" in shown
    assert topic[:102] not in shown
    (told,) = json.loads(CliRunner().invoke(gridwright, [*words, "--json"]).stdout)
    assert told["topic"] == topic


def test_the_states_of_edges_and_listeners_are_told_in_the_same_words(capsys: pytest.CaptureFixture[str]) -> None:
    print_told({"connected": True, "is_full": False, "last_contact": None, "waiting": 3})
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[-4:] == [["connected", "yes"], ["is", "full", "no"], ["last", "contact"], ["waiting", "3"]]


def test_many_lines_are_written_at_once_and_half_a_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"

    async def add(first: int) -> None:
        lines = Lines(path)
        await asyncio.gather(*(lines.add(number) for number in range(first, first + 50)))

    asyncio.run(add(0))
    with path.open("ab") as file:
        file.write(b'{"half')
    asyncio.run(add(50))
    assert [*read_lines(path)] == [*(b"%d" % n for n in range(50)), b'{"half', *(b"%d" % n for n in range(50, 100))]


def test_a_full_file_is_put_aside_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"

    async def add() -> None:
        lines = Lines(path, limit=100)
        for number in range(60):
            await lines.add(f"line {number:03}")

    asyncio.run(add())
    kept = [*read_lines(path)]
    assert kept[-1] == b'"line 059"'
    assert 9 <= len(kept) <= 18
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.1.jsonl", "a.jsonl"]


def test_a_disk_that_takes_nothing_is_told_to_each(tmp_path: Path) -> None:
    async def add() -> list[object]:
        lines = Lines(tmp_path / "absent" / "a.jsonl")
        return [*await asyncio.gather(lines.add(1), lines.add(2), return_exceptions=True)]

    assert [type(one) for one in asyncio.run(add())] == [FileNotFoundError] * 2


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file.*mqtt\.folder"):
        made(tmp_path / "file" / "listen")


def test_the_last_two_births_of_each_device_are_known_after_a_restart(tmp_path: Path) -> None:
    async def keep() -> None:
        births = Births(tmp_path)
        for each in (birth(1, ""), birth(2), birth(3), birth(4, "M-2"), birth(5)):
            await births.keep(each)

    asyncio.run(keep())
    with (tmp_path / BIRTHS).open("ab") as file:
        file.write(b'{"group":"plant","node":')
    assert [(one.at_ms, one.device) for one in Births(tmp_path).known] == [(1, ""), (3, "M-1"), (4, "M-2"), (5, "M-1")]
    assert len([*read_lines(tmp_path / BIRTHS)]) == 4, "what counts no more is gone"


def test_a_birth_that_cannot_be_kept_stops_nothing(tmp_path: Path) -> None:
    births = Births(tmp_path / "absent")
    asyncio.run(births.keep(birth(1)))
    assert Births(tmp_path / "absent").known == ()


def test_refused_messages_are_kept_with_their_reasons(tmp_path: Path) -> None:
    asyncio.run(Rejected(tmp_path).keep(message(b"non\xffsense"), refused(), NOW))
    asyncio.run(Rejected(tmp_path).keep(message(b"x" * 100_000), refused(), NOW))
    with (tmp_path / REJECTED).open("ab") as file:
        file.write(b'{"at":')
    first, second = read_rejected(tmp_path)
    assert (first["topic"], first["payload"], first["bytes"]) == ("gridwright/UP-1/kwh", "non\\xffsense", 9)
    assert (first["verdicts"][0]["reason"], first["verdicts"][0]["value"]) == ("there is no number", "nonsense")
    assert (second["bytes"], len(second["payload"])) == (100_000, 65_536)


def test_where_the_store_is_sealed_refused_messages_are_too(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "secret.key")
    vault.add_key()
    asyncio.run(Rejected(tmp_path, vault).keep(message(b"nonsense"), refused(), NOW))
    assert b"nonsense" not in (tmp_path / REJECTED).read_bytes()
    assert read_rejected(tmp_path, vault)[0]["payload"] == "nonsense"
    assert read_rejected(tmp_path)[0]["payload"] is None
    (tmp_path / "other").mkdir()
    other = Vault(tmp_path / "other" / "secret.key")
    other.add_key()
    assert read_rejected(tmp_path, other)[0]["payload"] is None
