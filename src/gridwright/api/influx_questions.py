"""What clients of InfluxDB 1 and 2 ask before they write, answered alike by a server and by an edge."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from gridwright.api.answer import Answer, Receive, Refused, Scope
from gridwright.api.entrance_lines import HEADS, V2, VERSION, failed_lines, influx_error, not_answered, query_of
from gridwright.api.query import query_in
from gridwright.domain.errors import GridwrightError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime, timedelta

PINGS, HEALTH, QUERY = ("/ping", "/api/v2/ping"), "/health", "/query"
READY, BUCKETS, ORGS = "/ready", "/api/v2/buckets", "/api/v2/orgs"
BELOW = "/api/v2/"
PING_HEADS = (*HEADS, (b"x-influxdb-build", b"gridwright"))
QUERY_LIMIT = 16 * 1024
CREATES = re.compile(r"\s*CREATE\s+(DATABASE|RETENTION\s+POLICY)\b", re.IGNORECASE)
SHOWS = re.compile(r"\s*SHOW\s+DATABASES\s*;?\s*\Z", re.IGNORECASE)
OURS = "gridwright"  # a name where none is asked for; any is taken when lines are written
ORG_ID, BUCKET_ID = "0000000000000001", "0000000000000002"
LONGEST = 200  # characters of a name that are said again


class Asked(Protocol):
    """Who is asked."""

    @property
    def ready(self) -> bool:
        """Tell whether readings are taken."""

    async def admitted(self, scope: Scope, query: dict[str, str]) -> object:
        """Return when whoever asks may write; else Refused, NotAuthenticated or NotAuthorised."""

    async def body(self, scope: Scope, receive: Receive, limit: int) -> bytes:
        """Return the body of a request, within the bounds for all bodies."""


class InfluxQuestions:
    """Answers them: there is one place for readings, it is there already, and every name means it."""

    def __init__(self, asked: Asked, clock: Callable[[], datetime]) -> None:
        self._asked, self._clock = asked, clock
        self._started = clock()

    @property
    def handlers(self) -> dict[tuple[str, str], Callable[[Scope, Receive], Awaitable[Answer]]]:
        """Return what answers, by method and path."""
        looks = ("GET", "HEAD")
        return {
            **{(method, path): self.ping for method in (*looks, "POST") for path in PINGS},
            **{(method, HEALTH): self.health for method in looks},
            **{(method, READY): self.ready for method in looks},
            **{(method, QUERY): self.query for method in ("GET", "POST")},
            ("GET", BUCKETS): self.buckets,
            ("GET", ORGS): self.organizations,
        }

    async def ping(self, scope: Scope, receive: Receive) -> Answer:
        """Tell that somebody is here."""
        del receive
        if query_of(scope).get("verbose") in {"true", "1"}:
            return Answer(HTTPStatus.OK, json.dumps({"version": VERSION}).encode(), headers=PING_HEADS)
        return Answer(HTTPStatus.NO_CONTENT, headers=PING_HEADS)

    async def health(self, scope: Scope, receive: Receive) -> Answer:
        """Tell whether readings are taken."""
        del receive
        ready = self._asked.ready
        told: dict[str, object] = {
            "name": OURS,
            "message": "ready for writes" if ready else "not ready",
            "checks": [],
            "status": "pass" if ready else "fail",
            "version": VERSION,
        }
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return Answer(status, b"" if scope["method"] == "HEAD" else json.dumps(told).encode())

    async def ready(self, scope: Scope, receive: Receive) -> Answer:
        """Tell since when readings are taken; 503 while they are not."""
        del receive
        if not self._asked.ready:
            return influx_error(HTTPStatus.SERVICE_UNAVAILABLE, "readings are not taken yet; ask again")
        up = go_duration(self._clock() - self._started)
        told = {"status": "ready", "started": instant(self._started), "up": up}
        return Answer(HTTPStatus.OK, b"" if scope["method"] == "HEAD" else json.dumps(told).encode(), headers=HEADS)

    async def query(self, scope: Scope, receive: Receive) -> Answer:
        """Answer the statements with which clients of version 1 begin."""
        try:
            query = query_of(scope)
            if scope["method"] == "POST":
                body = await self._asked.body(scope, receive, QUERY_LIMIT)
                query |= query_in(body.decode("utf-8", "replace"))
            await self._asked.admitted(scope, query)
        except (Refused, GridwrightError) as error:
            return failed_lines(error, scope["path"])
        asked = query.get("q", "")
        result: dict[str, object] = {"statement_id": 0}
        if SHOWS.match(asked):
            result["series"] = [{"name": "databases", "columns": ["name"], "values": [[OURS]]}]
        elif not CREATES.match(asked):
            return not_answered(HTTPStatus.BAD_REQUEST, repr(asked[:80]))
        return Answer(HTTPStatus.OK, json.dumps({"results": [result]}).encode(), headers=HEADS)

    async def buckets(self, scope: Scope, receive: Receive) -> Answer:
        """Return the bucket that is asked for by `name`."""
        del receive
        name = query_of(scope).get("name") or OURS
        bucket = self._named(BUCKET_ID, name) | {"orgID": ORG_ID, "type": "user", "retentionRules": [], "labels": []}
        return await self._told(scope, "buckets", bucket)

    async def organizations(self, scope: Scope, receive: Receive) -> Answer:
        """Return the organization that is asked for by `org`."""
        del receive
        return await self._told(scope, "orgs", self._named(ORG_ID, query_of(scope).get("org") or OURS))

    def _named(self, number: str, name: str) -> dict[str, object]:
        made = instant(self._started)
        return {"id": number, "name": name[:LONGEST], "createdAt": made, "updatedAt": made, "links": {}}

    async def _told(self, scope: Scope, what: str, one: dict[str, object]) -> Answer:
        """Return a list of one, to whoever may write."""
        try:
            await self._asked.admitted(scope, query_of(scope))
        except (Refused, GridwrightError) as error:
            return failed_lines(error, scope["path"])
        told = {"links": {"self": scope["path"]}, what: [one]}
        return Answer(HTTPStatus.OK, json.dumps(told).encode(), headers=HEADS)


def is_other_question(path: str) -> bool:
    """Tell whether an address is one of InfluxDB 2 that nobody answers here."""
    return path.startswith(BELOW) and path != V2


async def unanswered(scope: Scope, receive: Receive) -> Answer:
    """Tell a client of InfluxDB 2, in its manner, that something else is not answered here."""
    del receive
    return not_answered(HTTPStatus.NOT_FOUND, scope["path"][:LONGEST])


def instant(at: datetime) -> str:
    """Return an instant as InfluxDB writes it."""
    return at.isoformat().replace("+00:00", "Z")


def go_duration(span: timedelta) -> str:
    """Return a span as Go writes it: `1h2m3.5s`."""
    minutes, seconds = divmod(max(span.total_seconds(), 0.0), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}h{minutes}m{round(seconds, 3):g}s"
