"""The sealed buffer: nothing lies there in plain, nothing opens elsewhere, and damage costs what it touched."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from gridwright.api.edge.wire import ClockTrust, Record
from gridwright.cli.edge import app
from gridwright.cli.main import app as gridwright
from gridwright.domain.errors import StoreCorrupt, StoreError, StoreLocked
from gridwright.edge.buffer import Buffer
from gridwright.edge.clock import EdgeClock, Source
from gridwright.edge.forward import Forwarder, Patience
from gridwright.edge.link import Centre, Link
from gridwright.edge.rejected import FILE, Rejected, read_rejected
from gridwright.edge.rotate import rotate
from gridwright.edge.sealing import Seals
from gridwright.edge.segment import HEAD, Segment, sound_records
from gridwright.jobs.upkeep.key_users import users_file
from gridwright.jobs.upkeep.vault import KEY_FILE, Vault
from gridwright.store import open_store
from tests.unit.edge.test_buffer import SMALL, files, filled, rest, seals_in

HEAD_END = HEAD.size + 67
REFUSED = Record(7, "/write", "text/plain", "", 0, ClockTrust.RIGHT, stamped=True, body=b"record 7: secret reading")
SAID = [{"reason": "no such meter"}]


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_nothing_lies_there_in_plain(tmp_path: Path) -> None:
    every = filled(tmp_path, seals=seals_in(tmp_path))
    rejected = Rejected(tmp_path, seals_in(tmp_path))
    rejected.keep("epoch", [(REFUSED, SAID, [])])
    assert b"record" not in everything(tmp_path)
    assert b"meter" not in (tmp_path / FILE).read_bytes()
    with Buffer(tmp_path, SMALL, seals_in(tmp_path)) as buffer:
        assert rest(buffer) == (every, 0)
        assert buffer.is_encrypted
    (told,) = read_rejected(tmp_path, seals_in(tmp_path))
    assert (told["sequence"], told["body"], told["verdicts"]) == (7, REFUSED.body.decode(), SAID)


def test_an_old_buffer_in_plain_is_still_read_and_told(tmp_path: Path) -> None:
    every = filled(tmp_path, 20)
    Rejected(tmp_path).keep("epoch", [(REFUSED, SAID, [])])
    with Buffer(tmp_path, SMALL, seals_in(tmp_path)) as buffer:
        buffer.append([b"sealed"])
        assert not buffer.is_encrypted
        assert buffer.level.plain_bytes > 0
        assert rest(buffer) == ([*every, b"sealed"], 0)
        buffer.rewind()
        while (piece := buffer.read(1000, 100)) is not None:
            buffer.acknowledge(piece.epoch, piece.last)
        assert buffer.level.plain_bytes == 0
    assert [one["sequence"] for one in read_rejected(tmp_path, seals_in(tmp_path))] == [7]


def test_switched_off_it_reads_what_was_sealed_and_seals_no_more(tmp_path: Path) -> None:
    every = filled(tmp_path, 20, seals=seals_in(tmp_path))
    with Buffer(tmp_path, SMALL, seals_in(tmp_path, seals=False)) as buffer:
        buffer.append([b"in plain"])
        assert rest(buffer) == ([*every, b"in plain"], 0)
        assert not buffer.is_encrypted
    assert b"in plain" in everything(tmp_path)


@pytest.mark.parametrize("which", [0, 2, -1], ids=["first", "middle", "last"])
@pytest.mark.parametrize(
    ("where", "costs"),
    [(3, 0), (30, 0), (HEAD_END + 3, 1), (HEAD_END + 40, 1), (200, 1)],
    ids=["mark", "wrapped key", "head of a record", "record", "later"],
)
def test_a_flipped_bit_costs_at_most_its_record(tmp_path: Path, which: int, where: int, costs: int) -> None:
    """A damaged data key costs nothing: the other files of its epoch have it too."""
    every = filled(tmp_path, seals=seals_in(tmp_path))
    path = files(tmp_path)[which]
    content = bytearray(path.read_bytes())
    content[where] ^= 0x10
    path.write_bytes(content)
    with Buffer(tmp_path, SMALL, seals_in(tmp_path)) as buffer:
        found, _ = rest(buffer)
        assert len(found) == len(every) - costs
        assert [payload for payload in every if payload in found] == found


def cut(path: Path, segment: Segment) -> list[bytes]:
    """Return the head of a file, and its records as they lie there."""
    data = path.read_bytes()
    ends = [segment.begin, *(found.end for found in sound_records(data, segment.epoch, segment.begin))]
    return [data[: ends[0]], *(data[begin:end] for begin, end in pairwise(ends))]


def test_records_that_are_swapped_do_not_open(tmp_path: Path) -> None:
    """With marks, numbers and checksums set right by somebody who has no key."""
    import zlib

    from gridwright.edge.segment import NUMBERS, SEALED_MARK, segment_of

    every = filled(tmp_path, seals=seals_in(tmp_path))
    path = files(tmp_path)[0]
    segment = segment_of(path)
    assert segment is not None
    head, one, two, *others = cut(path, segment)

    def forged(number: int, record: bytes) -> bytes:
        sealed = record[HEAD.size :]
        begin = zlib.crc32(segment.epoch.encode(), zlib.crc32(SEALED_MARK))
        checksum = zlib.crc32(sealed, zlib.crc32(NUMBERS.pack(number, len(sealed)), begin))
        return HEAD.pack(SEALED_MARK, len(sealed), checksum, number) + sealed

    assert forged(1, one) == one
    path.write_bytes(b"".join([head, forged(1, two), forged(2, one), *others]))
    with Buffer(tmp_path, SMALL, seals_in(tmp_path)) as buffer:
        assert rest(buffer) == (every[2:], 2)


def test_without_its_key_it_does_not_start_and_loses_nothing(tmp_path: Path) -> None:
    every = filled(tmp_path, seals=seals_in(tmp_path))
    key = tmp_path / KEY_FILE
    kept = key.rename(tmp_path / "kept.key")
    before = [path.read_bytes() for path in files(tmp_path)]
    with pytest.raises(StoreCorrupt, match=r"it is sealed with key \w{8}, and .*secret\.key does not open it"):
        Buffer(tmp_path, SMALL, seals_in(tmp_path))
    Vault(key).seal(b"another key")
    with pytest.raises(StoreCorrupt, match=r"is sealed with key.*bring back the key of this edge"):
        Buffer(tmp_path, SMALL, seals_in(tmp_path))
    with pytest.raises(StoreCorrupt, match="it is sealed, and no key was given"):
        Buffer(tmp_path, SMALL)
    kept.replace(key)
    assert [path.read_bytes() for path in files(tmp_path)] == before
    with Buffer(tmp_path, SMALL, seals_in(tmp_path)) as buffer:
        assert rest(buffer) == (every, 0)


def test_a_new_master_key_wraps_what_waits_and_the_old_one_may_go(tmp_path: Path) -> None:
    every = filled(tmp_path, seals=seals_in(tmp_path))
    Rejected(tmp_path, seals_in(tmp_path)).keep("epoch", [(REFUSED, SAID, [])])
    (old,) = Vault(tmp_path / KEY_FILE).key_ids()
    with Buffer(tmp_path, SMALL, seals_in(tmp_path)), pytest.raises(StoreLocked):
        rotate(tmp_path, seals_in(tmp_path))
    key, count = rotate(tmp_path, seals_in(tmp_path), drop_old=True)
    assert key != old
    assert count == len(files(tmp_path)) + 1
    assert Vault(tmp_path / KEY_FILE).key_ids() == [key]
    assert [one["body"] for one in read_rejected(tmp_path, seals_in(tmp_path))] == [REFUSED.body.decode()]
    with Buffer(tmp_path, SMALL, seals_in(tmp_path)) as buffer:
        assert rest(buffer) == (every, 0)


def test_an_interrupted_rotation_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = filled(tmp_path, seals=seals_in(tmp_path))
    from gridwright.edge import rotate as module

    written = 0
    from gridwright.durable import replace_file as real

    def full(path: Path, content: bytes, *, durable: bool) -> None:
        nonlocal written
        written += 1
        if written > 3:
            raise OSError(28, "No space left on device")
        real(path, content, durable=durable)

    with monkeypatch.context() as patch:
        patch.setattr(module, "replace_file", full)
        with pytest.raises(StoreError, match=r"no space left on device.*call it again: it goes on"):
            rotate(tmp_path, seals_in(tmp_path), drop_old=True)
    vault = Vault(tmp_path / KEY_FILE)
    assert len(vault.key_ids()) == 2
    key, count = rotate(tmp_path, seals_in(tmp_path), drop_old=True)
    assert (key, count) == (vault.key_ids()[0], len(files(tmp_path)) - 3)
    with Buffer(tmp_path, SMALL, seals_in(tmp_path)) as buffer:
        assert rest(buffer) == (every, 0)


def test_the_commands_tell_and_open(tmp_path: Path) -> None:
    """`drain` keeps the status; the key may stand in the environment, and then no file is made."""
    folder = tmp_path / "edge"
    given = "a2V5IG9mIHRoZSBlZGdlIG9mIHRoZSBidWZmZXIgISE="
    env = {"GRIDWRIGHT_SECRET_KEY": given}
    words = ["--folder", str(folder), "--to", "http://127.0.0.1:9", "--key", "k", "--within", "0.01"]
    Buffer(folder).close()
    assert CliRunner(env=env).invoke(app, ["drain", *words]).exit_code == 0
    assert not (folder / KEY_FILE).exists()
    Rejected(folder, Seals(Vault(folder, given=given))).keep("epoch", [(REFUSED, SAID, [])])
    shown = CliRunner().invoke(app, ["status", "--folder", str(folder)]).stdout
    assert [line.split() for line in shown.splitlines() if line.startswith("encrypted")] == [["encrypted", "yes"]]
    assert json.loads(CliRunner().invoke(app, ["status", "--folder", str(folder), "--json"]).stdout)["encrypted"]
    told = CliRunner(env=env).invoke(app, ["rejected", "--folder", str(folder)]).stdout
    assert "no such meter" in told
    rotated = CliRunner(env=env).invoke(app, ["rotate", "--folder", str(folder)])
    assert "the keys come from GRIDWRIGHT_SECRET_KEY" in str(rotated.exception)
    both = {"GRIDWRIGHT_SECRET_KEY": f"YW5vdGhlciBrZXkgb2YgdGhlIGVkZ2UncyBidWZmZXI=,{given}"}
    done = CliRunner(env=both).invoke(app, ["rotate", "--folder", str(folder), "--json"])
    assert json.loads(done.stdout)["files"] == 1


@pytest.mark.parametrize("words", [["edge", "rotate"], ["vault", "rotate"]])
def test_a_key_file_of_edge_and_database_keeps_its_earlier_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gridwright.toml").write_text('[store]\nurl = "g.db"\n[edge]\nsecret_key = "secret.key"\n')
    Vault("secret.key").seal(b"")
    open_store("g.db").close()
    drain = ["edge", "drain", "--to", "http://127.0.0.1:9", "--key", "k", "--within", "0.01"]
    Buffer(Path("edge")).close()
    assert CliRunner().invoke(gridwright, drain).exit_code == 0
    assert CliRunner().invoke(gridwright, words).exit_code == 0
    before = Path("secret.key").read_bytes()
    refused = CliRunner().invoke(gridwright, [*words, "--drop-old"])
    assert "the key file is also that of the " in str(refused.exception)
    assert Path("secret.key").read_bytes() == before


@pytest.mark.parametrize("words", [["edge", "rotate"], ["vault", "rotate"]])
def test_a_key_file_shared_under_two_settings_is_known_and_keeps_its_earlier_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """The centre's settings and the edge's each name it, and neither names the other."""
    key = tmp_path / "keys" / "our.key"
    for name, text in {
        "centre": f'[store]\nurl = "g.db"\nsecret_key = "{key}"\n',
        "site": f'[edge]\nsecret_key = "{key}"\n[store]\nurl = "none.db"\n',
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "gridwright.toml").write_text(text)

    def run(place: str, *words: str) -> Result:
        monkeypatch.chdir(tmp_path / place)
        return CliRunner().invoke(gridwright, words)

    monkeypatch.chdir(tmp_path / "centre")
    open_store("g.db").close()
    mine, other = ("site", "centre") if words[0] == "edge" else ("centre", "site")
    assert run("centre", "vault", "seal").exit_code == 0
    alone = json.loads(run("centre", "doctor", "--json").stdout)["checks"]
    assert not any("shared" in check["name"] for check in alone)
    drain = ["edge", "drain", "--to", "http://127.0.0.1:9", "--key", "k", "--within", "0.01"]
    Buffer(tmp_path / "site" / "edge").close()
    assert run("site", *drain).exit_code == 0
    (shared,) = [
        check
        for check in json.loads(run("centre", "doctor", "--json").stdout)["checks"]
        if check["name"] == "key file, shared"
    ]
    assert (shared["state"], "the edge in ../site/" in shared["found"]) == ("warn", True)
    assert run(mine, *words).exit_code == 0
    before = key.read_bytes()
    refused = run(mine, *words, "--drop-old")
    whose = "the database ../centre/g.db" if other == "centre" else "the edge in ../site/"
    assert f"the key file is also that of {whose}" in str(refused.exception)
    assert key.read_bytes() == before
    # Both moved together are the same two; one that is gone is taken out by hand, as the message says.
    users = users_file(key)
    assert str(users) in str(refused.exception)
    users.write_text("".join(line for line in users.read_text().splitlines(keepends=True) if whose not in line))
    assert run(mine, *words, "--drop-old").exit_code == 0
    assert len(key.read_bytes().split()) == 1


@pytest.mark.parametrize("sealed", [True, False])
def test_refused_records_are_kept_as_long_as_is_set(tmp_path: Path, sealed: bool) -> None:
    seals = seals_in(tmp_path, seals=sealed)
    now_us = int(datetime.now(UTC).timestamp() * 1e6)
    records = [replace(REFUSED, sequence=n, received_us=now_us - n * 86_400_000_000) for n in (9, 8, 1)]
    Rejected(tmp_path, seals).keep("epoch", [(one, SAID, []) for one in records])
    with (tmp_path / FILE).open("ab") as file:
        file.write(b"torn {\n")
    kept = Rejected(tmp_path, seals, keep_days=5, now_us=lambda: now_us)
    assert [one["sequence"] for one in read_rejected(tmp_path, seals)] == [1]
    assert b"torn {" in (tmp_path / FILE).read_bytes()
    kept.keep("epoch", [(replace(REFUSED, sequence=2, received_us=now_us), SAID, [])])
    assert [one["sequence"] for one in read_rejected(tmp_path, seals)] == [1, 2]
    assert kept.count == 3


def test_an_edge_whose_clock_wakes_up_in_the_future_keeps_what_was_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the edge's own clock all of it was too old; only the centre's time tells, once that is known."""
    now_us = int(datetime.now(UTC).timestamp() * 1e6)
    Rejected(tmp_path, seals_in(tmp_path)).keep("epoch", [(replace(REFUSED, received_us=now_us), SAID, [])])
    monkeypatch.setattr("time.time", lambda: now_us / 1e6 + 500 * 86_400)
    years_ahead = Source(lambda: now_us + 500 * 86_400_000_000, lambda: 1_000_000, "boot")
    clock = EdgeClock(tmp_path, source=years_ahead)
    with Buffer(tmp_path, seals=seals_in(tmp_path)) as buffer:
        link = Link(Centre("http://127.0.0.1:1", "key"), "edge")
        forwarder = Forwarder(buffer, link, clock, Patience(keep_days=5))
        assert forwarder.rejected == 1
        clock.measured(now_us, clock.now(), clock.now())
        assert clock.centre_us == now_us
        assert Forwarder(buffer, link, clock, Patience(keep_days=5)).rejected == 1
        clock.measured(now_us + 6 * 86_400_000_000, clock.now(), clock.now())
        assert Forwarder(buffer, link, clock, Patience(keep_days=5)).rejected == 0
