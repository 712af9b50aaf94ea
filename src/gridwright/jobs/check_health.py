"""Check an installation: program, database, disk, optional parts; each with what was found and what helps."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import GridwrightError, NotFound
from gridwright.store import open_store

LEAST_FREE = 1 << 30
GB = 1 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: is it in order, what was found, what helps if it is not."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def check_health(url: str) -> list[Check]:
    """Look at everything; nothing is created and nothing is changed."""
    looks: list[Callable[[], Check]] = [
        check_program,
        lambda: check_database(url),
        lambda: check_audit(url),
        lambda: check_disk(url),
        lambda: check_extra("postgres", "psycopg"),
        lambda: check_extra("mysql", "pymysql"),
    ]
    return [look() for look in looks]


def check_program() -> Check:
    """Tell the version and the Python it runs on."""
    return Check(
        "program",
        ok=True,
        found=f"gridwright {version('gridwright')}, Python {platform.python_version()} ({sys.platform})",
    )


def check_database(url: str) -> Check:
    """Open the database as it is: reachable, healthy, at this program's schema."""
    try:
        with open_store(url, create=False) as store:
            points = len(store.registry.points(LOCAL_OWNER))
    except NotFound:
        return Check("database", ok=True, found=f"{shown(url)} does not exist yet; the first import makes it")
    except GridwrightError as error:
        return Check("database", ok=False, found=f"{shown(url)}: {error.message}", remedy=error.remedy)
    return Check("database", ok=True, found=f"{shown(url)}: {points} usage points")


def check_audit(url: str) -> Check:
    """Verify the chain of audit records."""
    try:
        with open_store(url, create=False) as store:
            count = store.audit.verify(LOCAL_OWNER)
    except NotFound:
        return Check("audit chain", ok=True, found="nothing recorded yet")
    except GridwrightError as error:
        return Check("audit chain", ok=False, found=error.message, remedy=error.remedy)
    return Check("audit chain", ok=True, found=f"{count} records, unbroken")


def check_disk(url: str) -> Check:
    """Tell the room on the disk that the database (or this folder) is on."""
    place = (
        Path(url.removeprefix("sqlite:///")).resolve() if "://" not in url or url.startswith("sqlite:///") else Path()
    )
    folder = next(parent for parent in (place, *place.parents) if parent.is_dir())
    free = shutil.disk_usage(folder).free
    found = f"{free / GB:.1f} GB free"
    return Check(
        "disk", ok=free >= LEAST_FREE, found=found, remedy="" if free >= LEAST_FREE else "make room: at least 1 GB"
    )


def check_extra(extra: str, module: str) -> Check:
    """Tell whether an optional driver is installed; its absence is no fault."""
    try:
        there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        there = False
    found = "installed" if there else f"not installed: pip install 'gridwright[{extra}]' brings it"
    return Check(f"extra {extra}", ok=True, found=found)


def shown(url: str) -> str:
    """Return the address without its password."""
    scheme, mark, rest = url.partition("://")
    login, at, host = rest.rpartition("@")
    user = login.partition(":")[0]
    return f"{scheme}{mark}{user}{at}{host}" if at else url
