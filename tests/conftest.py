"""What the suite shares: real data, real servers, a browser. What a machine lacks is skipped with its reason.

With GRIDWRIGHT_TEST_NO_SKIP set, as in CI, nothing may be skipped: every skip is a failure.
"""

from __future__ import annotations

import gc
import os
import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import bytecode  # before all others, so that what they are compiled to is kept

# isort: split
import hypothesis
import pytest
from _pytest.doctest import DoctestModule
from sqlalchemy import URL, NullPool, create_engine, make_url
from sqlalchemy.exc import DBAPIError

from tests import (
    few_on_servers,
    kept,
    quick_commands,
    quick_disk,
    quick_passwords,
    quick_schema,
    quick_statements,
    quick_watch,
    unsettled,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = {name: value for name, value in os.environ.items() if name.startswith("GRIDWRIGHT_")}
NO_SKIP = bool(OUTSIDE.get("GRIDWRIGHT_TEST_NO_SKIP"))
MARK_OF_FIXTURE = {
    "postgres_url": "server",
    "mysql_url": "server",
    "own_mysql_url": "server",
    "chromium": "browser",
    "shared_data": "shared",
}
quick_disk.begin()
quick_schema.begin()
quick_statements.begin()
quick_commands.begin()
quick_passwords.begin()
RARELY = (50_000, 20, 20)  # a test leaves little; to look for it at every 700th object took up to a sixth of its time
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# A deadline would make a test depend on the machine's load, and so would the "too slow" check.
LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))
hypothesis.settings.register_profile(
    "local",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    database=None,
    max_examples=200 if LONG else 40,
)
hypothesis.settings.register_profile("ci", parent=hypothesis.settings.get_profile("local"), derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


class OnlyExamples:
    """Of the files that are searched for examples in docstrings, import only those that have one."""

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(self, file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
        """Leave out what would be imported, and walked through, in vain."""
        found = yield
        if not any(isinstance(each, DoctestModule) for each in found) or ">>> " in file_path.read_text("utf-8"):
            return found
        return [each for each in found if not isinstance(each, DoctestModule)]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` is: one more than there are processors, for many tests wait for others."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_configure(config: pytest.Config) -> None:
    """Have examples looked for in the package too, which has no conftest.py of its own, and tests that hang told."""
    config.pluginmanager.register(OnlyExamples())
    config.pluginmanager.register(quick_watch.Watch())


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Look for garbage only in what the tests leave behind: what is imported to be collected stays to the end."""
    gc.disable()
    bytecode.share(session.config)
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*RARELY)
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test by what it needs, so that `-m "not server"` and its like select; leave out what says little."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARK_OF_FIXTURE:
                item.add_marker(MARK_OF_FIXTURE[fixture])
    if not LONG:
        few_on_servers.leave_out(config, items)
    items.sort(key=comes_late)


def comes_late(item: pytest.Item) -> bool:
    """Tell whether a test comes behind those of the whole tree and its documents, which take long.

    By their names these would come last, and one worker would be left with them.
    """
    return item.path.parent != ROOT / "tests" / "unit"


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure where skipping is not allowed."""
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"GRIDWRIGHT_TEST_NO_SKIP forbids this skip. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Refuse skips of tests."""
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Refuse skips of whole files."""
    report = yield
    refuse_skip(report)
    return report


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own GRIDWRIGHT_* settings, and the suite's, out of what is tested."""
    for name in OUTSIDE:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _units_that_touch_readings_are_settled() -> Iterator[None]:
    """Fail a test in which a unit of work touches readings that was opened without folding the journal first."""
    yield
    assert unsettled.taken() == []


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data beside the repository, read-only; GRIDWRIGHT_SHARED_DATA names another place."""
    path = Path(OUTSIDE.get("GRIDWRIGHT_SHARED_DATA") or ROOT.parent / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"no real data at {path}; set GRIDWRIGHT_SHARED_DATA to its folder")
    return path


@contextmanager
def own_database(server: URL, *, variable: str, drop: str) -> Iterator[str]:
    """Create a database nobody else uses on `server`, and drop it afterwards; skip where the server does not answer."""
    name = f"gridwright_test_{uuid.uuid4().hex[:12]}"
    options: dict[str, Any] = {"connect_args": {"connect_timeout": 5}, "poolclass": NullPool}
    engine = create_engine(server, isolation_level="AUTOCOMMIT", **options)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    except DBAPIError as error:
        pytest.skip(f"{server} does not answer ({error.orig}); start the server, or name another with {variable}")
    address = server.set(database=name).render_as_string(hide_password=False)
    try:
        yield address
    finally:
        kept.await_behind(address)
        kept.let_go(address)
        with engine.connect() as connection:
            connection.exec_driver_sql(drop.format(name))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A fresh PostgreSQL database of this worker's own, as a SQLAlchemy address."""
    variable = "GRIDWRIGHT_TEST_POSTGRES"
    server = make_url(OUTSIDE.get(variable) or "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
    with own_database(server, variable=variable, drop="DROP DATABASE {} WITH (FORCE)") as address:
        yield address


def a_mysql_database() -> Iterator[str]:
    """Yield a fresh MariaDB or MySQL database of this worker's own, as a SQLAlchemy address."""
    variable = "GRIDWRIGHT_TEST_MYSQL"
    server = make_url(
        OUTSIDE.get(variable) or "mysql+pymysql://root@127.0.0.1:3306/test?charset=utf8mb4&ssl_disabled=1"
    )
    with own_database(server, variable=variable, drop="DROP DATABASE {}") as address:
        yield address


mysql_url = pytest.fixture(scope="session", name="mysql_url")(a_mysql_database)
own_mysql_url = pytest.fixture(scope="session", name="own_mysql_url")(a_mysql_database)  # that one fixture hands out


@pytest.fixture(scope="session")
def chromium() -> str:
    """The system's Chromium, for Playwright's `executable_path`; GRIDWRIGHT_TEST_CHROMIUM names another."""
    named = OUTSIDE.get("GRIDWRIGHT_TEST_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium on this machine; install it (Debian: apt install chromium)")
    return found
