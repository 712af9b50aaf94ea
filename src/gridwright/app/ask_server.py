"""Ask a running server how it is: whether it answers, what time it has, and what it says of its queue."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from gridwright.jobs.upkeep.check_health import SILENT, ServerAnswer
from gridwright.jobs.upkeep.server_place import ServerPlace
from gridwright.settings import ServerSettings

TIMEOUT_S = 5.0
OPEN_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - listened on, not connected to
OK = 200


def ask_servers(
    chosen: ServerSettings, places: Sequence[ServerPlace], key: str | None, now: datetime
) -> tuple[list[ServerAnswer], list[str]]:
    """Return what the servers say that left where they listen, and where those did that are gone without a word.

    Where none left it, the address of the settings is asked: one that could not write into its folder may be there.
    """
    asked = [_as_set(chosen, each) for each in places if each.runs] or [chosen]
    answers = [answer for each in asked if (answer := ask_server(each, key, now)) is not None]
    there = {answer.address for answer in answers}
    gone = [_address(_as_set(chosen, each)) for each in places if not each.runs]
    return answers, [each for each in gone if each not in there]


def _as_set(chosen: ServerSettings, place: ServerPlace) -> ServerSettings:
    certificate = Path(place.tls_cert) if place.tls_cert else None
    return chosen.model_copy(update={"host": place.host, "port": place.port, "tls_cert": certificate})


def _address(chosen: ServerSettings) -> str:
    host = OPEN_HOSTS.get(chosen.host, chosen.host)
    return f"{'https' if chosen.tls_cert else 'http'}://{f'[{host}]' if ':' in host else host}:{chosen.port}"


def ask_server(chosen: ServerSettings, key: str | None, now: datetime) -> ServerAnswer | None:
    """Return what the server at the address of the settings says, if only nothing in time; None: nobody listens."""
    if not chosen.port:
        return None
    host = OPEN_HOSTS.get(chosen.host, chosen.host)
    address = _address(chosen)
    began = time.monotonic()
    try:
        status, date, body = _get(host, chosen, key)
    except TimeoutError:
        return ServerAnswer(address, SILENT)
    except (OSError, HTTPException):
        return None
    took = timedelta(seconds=time.monotonic() - began)
    figures: dict[str, Any] = {}
    with suppress(ValueError):
        found = json.loads(body) if status == OK else {}
        figures = found if isinstance(found, dict) else {}
    ahead = None
    with suppress(ValueError, TypeError):
        # Dates of HTTP have whole seconds: the middle of one is the best guess.
        ahead = parsedate_to_datetime(date) + timedelta(seconds=0.5) - (now + took / 2)
    return ServerAnswer(address, status, figures, ahead)


def _get(host: str, chosen: ServerSettings, key: str | None) -> tuple[int, str, bytes]:
    connection: HTTPConnection
    if chosen.tls_cert:
        # It is our own machine, and its certificate names the world's address for it.
        context = ssl.create_default_context(cafile=str(chosen.tls_cert))
        context.check_hostname = False
        connection = HTTPSConnection(host, chosen.port, timeout=TIMEOUT_S, context=context)
    else:
        connection = HTTPConnection(host, chosen.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/v1/status", headers={"Authorization": f"Bearer {key}"} if key else {})
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Date", ""), answer.read(1 << 20)
    finally:
        connection.close()
