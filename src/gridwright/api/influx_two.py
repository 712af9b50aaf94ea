"""What clients of InfluxDB 2 ask before they write: whether it is ready, and for bucket and organization by name."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

from gridwright.api.answer import Answer, Receive, Refused, Scope
from gridwright.api.entrance_lines import HEADS, credential_in, failed_lines, influx_error, not_answered, query_of
from gridwright.domain.errors import GridwrightError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime, timedelta

    from gridwright.api.entrance import Entrance
    from gridwright.app import Platform

READY, PING, BUCKETS, ORGS = "/ready", "/api/v2/ping", "/api/v2/buckets", "/api/v2/orgs"
BELOW = "/api/v2/"
OURS = "gridwright"  # a name where none is asked for; any is taken when lines are written
ORG_ID, BUCKET_ID = "0000000000000001", "0000000000000002"
LONGEST = 200  # characters of a name that are said again


class InfluxTwo:
    """Answers these questions: there is one place for readings, it is there already, and every name means it."""

    def __init__(self, platform: Platform, entrance: Entrance) -> None:
        self._platform, self._entrance = platform, entrance
        self._started = platform.clock()

    @property
    def handlers(self) -> dict[tuple[str, str], Callable[[Scope, Receive], Awaitable[Answer]]]:
        """Return what answers, by method and path."""
        ready = {(method, READY): self.ready for method in ("GET", "HEAD")}
        return {**ready, ("GET", BUCKETS): self.buckets, ("GET", ORGS): self.organizations}

    async def ready(self, scope: Scope, receive: Receive) -> Answer:
        """Tell since when readings are taken; 503 while they are not."""
        del receive
        if not self._entrance.ready:
            return influx_error(HTTPStatus.SERVICE_UNAVAILABLE, "readings are not taken yet; ask again")
        up = go_duration(self._platform.clock() - self._started)
        told = {"status": "ready", "started": instant(self._started), "up": up}
        return Answer(HTTPStatus.OK, b"" if scope["method"] == "HEAD" else json.dumps(told).encode(), headers=HEADS)

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
            await self._entrance.admitted(credential_in(scope, query_of(scope)))
        except (Refused, GridwrightError) as error:
            return failed_lines(error, scope["path"])
        told = {"links": {"self": scope["path"]}, what: [one]}
        return Answer(HTTPStatus.OK, json.dumps(told).encode(), headers=HEADS)


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
