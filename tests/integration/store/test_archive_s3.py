"""The archive on an S3 server in a process of its own, with keys that are checked; and places that will not do."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import ArchiveUnreadable, StoreCorrupt, StoreError
from gridwright.domain.month import parse_month
from gridwright.jobs.upkeep.archive_months import restore_month
from gridwright.jobs.upkeep.forget_readings import forget_readings
from gridwright.jobs.upkeep.move_archive import move_archive
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from tests.integration.store.test_archive import BEFORE, archive, fill, rows
from tests.integration.store.test_archived_reading import everything

SERVER = "from moto.server import main; main(['-H', '127.0.0.1', '-p', '0'])"
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
SET_UP = 4  # calls that make the user, its rights, its key and the bucket, before keys are checked


@dataclass(frozen=True)
class Storage:
    """An S3 server: its address, and the one pair of keys that it takes."""

    url: str
    key: str
    secret: str

    def environment(self, **more: str) -> dict[str, str]:
        mine = {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        return {**mine, **more}


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """A server with a bucket; it is ended by its id."""
    if importlib.util.find_spec("moto") is None:
        pytest.skip("no S3 server; make setup brings moto")
    log = tmp_path_factory.mktemp("s3") / "log"
    env = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(SET_UP)}
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=out, stderr=out, env=env)
    try:
        url = address_in(log, process)
        with httpx.Client(base_url=url, timeout=60) as anybody:
            call(anybody, "iam", "POST", "/", Action="CreateUser")
            call(anybody, "iam", "POST", "/", Action="PutUserPolicy", PolicyName="all", PolicyDocument=json.dumps(ALL))
            made = call(anybody, "iam", "POST", "/", Action="CreateAccessKey")
            call(anybody, "s3", "PUT", "/months")
        key, secret = (re.search(f"<{name}>(.+)</{name}>", made) for name in ("AccessKeyId", "SecretAccessKey"))
        assert key is not None, made
        assert secret is not None, made
        yield Storage(url, key[1], secret[1])
    finally:
        process.kill()
        process.wait()


def call(client: httpx.Client, service: str, method: str, path: str, **form: str) -> str:
    """Call the server before it checks keys."""
    scope = f"Credential=any/20250101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=any"
    data = {**form, "UserName": "archive", "Version": "2010-05-08"} if form else None
    answer = client.request(method, path, data=data, headers={"Authorization": f"AWS4-HMAC-SHA256 {scope}"})
    assert answer.status_code == 200, answer.text
    return answer.text


def address_in(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Wait until the server tells its address, and answers there."""
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        if found is not None:
            assert httpx.get(f"{found[0]}/moto-api/", timeout=60).status_code == 200
            return found[0]
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "database" / "town.db") as store:
        yield fill(store)


def use(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def faults(store: Store) -> tuple[str, ...]:
    """What verify finds in the archive, every row read."""
    (check,) = (each for each in verify_store(store, ME, deep=True).checks if each.name == "archive files")
    return check.first


def test_months_go_to_s3_and_come_back(town: Store, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, storage.environment())
    before, place = rows(town), "s3://months/town/archive"
    panels = everything(town)
    done = archive(town, place, drop_before=BEFORE)
    assert (len(done.written), len(done.dropped), done.failed) == (3, 3, ())
    assert all(part.place.startswith(f"{place}/readings/2025-03/") for part in town.archive.parts(ME))
    files, path = fs.FileSystem.from_uri(place)
    names = [each.path for each in files.get_file_info(fs.FileSelector(path, recursive=True)) if each.is_file]
    assert len(names) == 4  # three kinds, one with earlier images
    assert all(name.endswith(".parquet") for name in names)
    assert sum(pq.read_metadata(name, filesystem=files).num_rows for name in names if "/readings/" in name) > 0
    assert faults(town) == ()
    assert everything(town) == panels
    restore_month(town, ME, parse_month("2025-03"))
    assert rows(town) == before

    files.delete_file(names[0])
    with files.open_output_stream(names[1]) as stream:
        stream.write(b"something else")
    assert len(faults(town)) == 2


def test_forgotten_months_leave_s3_too(town: Store, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, storage.environment())
    place = "s3://months/forgotten"
    town.dirty.clear(ME, town.dirty.ranges(ME))  # as if the cascade had been there
    archive(town, place, drop_before=BEFORE)
    files, path = fs.FileSystem.from_uri(place)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of somebody else")
    assert forget_readings(town, ME, before=BEFORE).failed, "what cannot be deleted is told"
    use(monkeypatch, storage.environment())
    done = forget_readings(town, ME, before=BEFORE)
    assert (done.months, done.files, done.failed) == (("2025-03",), 4, ())
    left = files.get_file_info(fs.FileSelector(path, recursive=True))
    assert [each.path for each in left if each.is_file] == []
    assert town.archive.parts(ME) == ()
    assert faults(town) == ()
    assert forget_readings(town, ME, before=BEFORE).months == ()


def test_an_archive_moves_from_a_disk_to_s3_and_back(
    town: Store, storage: Storage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, storage.environment())
    archive(town, tmp_path / "old", drop_before=BEFORE)
    panels, place = everything(town), "s3://months/moved"
    done = move_archive(town, ME, place)
    assert (len(done.moved), done.copied, done.failed) == (3, 4, ())
    shutil.rmtree(tmp_path / "old")
    assert (faults(town), everything(town)) == ((), panels)
    assert move_archive(town, ME, str(tmp_path / "back")).copied == 4
    assert move_archive(town, ME, place).copied == 0, "all of it is still there"
    assert (faults(town), everything(town)) == ((), panels)


def test_without_its_keys_nothing_leaves_and_nothing_is_lost(
    town: Store, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "s3://months/kept"
    use(monkeypatch, storage.environment())
    archive(town, place, drop_before=BEFORE)
    left = rows(town)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of somebody else")
    with pytest.raises(ArchiveUnreadable, match=r"2025-03 is in the archive.*the storage refuses these credentials"):
        everything(town)
    with pytest.raises(StoreCorrupt, match="the storage refuses these credentials") as caught:
        restore_month(town, ME, parse_month("2025-03"))
    assert "AWS_SECRET_ACCESS_KEY" in caught.value.remedy
    assert rows(town) == left


CANNOT: dict[str, tuple[str, dict[str, str], str, str]] = {
    "a bucket that is not there": ("s3://nowhere/x", {}, "there is no such bucket", "make the bucket"),
    "a wrong key": (
        "s3://months/x",
        {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"},
        "the storage refuses these credentials",
        "AWS_ACCESS_KEY_ID",
    ),
    "a wrong secret": (
        "s3://months/x",
        {"AWS_SECRET_ACCESS_KEY": "wrong"},
        "the storage refuses these credentials",
        "AWS_SECRET_ACCESS_KEY",
    ),
    "nobody at the address": (
        "s3://months/x",
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
        "the storage does not answer",
        "AWS_ENDPOINT_URL",
    ),
}


if not os.environ.get("GRIDWRIGHT_TEST_LONG"):
    del CANNOT["nobody at the address"]  # pyarrow tries for eighteen seconds


@pytest.mark.parametrize("what", CANNOT)
def test_what_is_wrong_with_a_storage_is_told(
    town: Store, storage: Storage, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    place, wrong, words, remedy = CANNOT[what]
    use(monkeypatch, storage.environment(**wrong))
    before = rows(town)
    with pytest.raises(StoreError, match=words) as caught:
        archive(town, place, drop_before=BEFORE)
    assert (caught.value.where, remedy in caught.value.remedy) == (place, True)
    assert "wrong" not in str(caught.value)
    assert (rows(town), town.archive.parts(ME)) == (before, ())
