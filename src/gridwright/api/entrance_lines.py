"""InfluxDB's addresses for writing: line protocol is taken, and answered, as Telegraf and its like expect it."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from gridwright.api.answer import Answer, Receive, Refused, Scope, answer_to, refuse
from gridwright.api.authenticate import Credential, credential_of
from gridwright.api.body import header
from gridwright.api.ingest.compiled import machine_for_lines
from gridwright.api.ingest.lines import DecodedLines, LineMapping, decode_alike, decode_lines, mapping_of
from gridwright.api.ingest.names import resolve
from gridwright.api.ingest.plain import PlainLines, PlainReadings
from gridwright.api.ingest.twice import TIMES
from gridwright.api.ingest.verdicts import Status, Verdict, shown
from gridwright.api.query import query_in
from gridwright.api.quick import Post
from gridwright.domain.errors import GridwrightError, NotAuthenticated
from gridwright.formats.line_protocol import KNOWN_PRECISIONS, PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from gridwright.api.entrance import Entrance
    from gridwright.api.ingest.names import Directory, Resolved
    from gridwright.api.ingest.table import Decoded
    from gridwright.api.write.batch import Batch
    from gridwright.app import Platform
    from gridwright.domain.access import Access

V2, V1 = "/api/v2/write", "/write"
VERSION = "1.8.10"  # whose answers these are; clients look whether it begins with 1
# What InfluxDB calls a status: docs.influxdata.com/influxdb/v2/api, "Error".
CODES = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    408: "unavailable",
    409: "conflict",
    413: "request too large",
    415: "invalid",
    422: "unprocessable entity",
    429: "too many requests",
    503: "unavailable",
}
NOT_IN_HEADERS = re.compile(r"[\x00-\x1f\x7f]")  # a server that sends such a header ends the connection instead
TOLD = 5  # wrong fields that a message names
HEADS = ((b"x-influxdb-version", VERSION.encode()),)


@dataclass(frozen=True, slots=True)
class PlainWay:
    """The quickest way of lines, at one precision."""

    lines: PlainLines
    mapping: LineMapping
    precision: str

    def read(self, body: bytes, directory: Directory, now: datetime) -> PlainReadings | None:
        """Return the readings; None where there is more to it."""
        found = self.lines.read(body, PRECISIONS[self.precision], directory, now)
        if found is not None and directory.kept_from_s and int(found.at.min()) < directory.kept_from_s:
            return None  # some were forgotten: each of them has a verdict
        return found

    def unfold(self, body: bytes, directory: Directory, access: Access, now: datetime) -> tuple[Decoded, Resolved]:
        """Return what the body is the long way."""
        decoded = decode_lines(body, self.mapping, self.precision, now)
        return decoded, resolve(decoded, directory, access)


class LineEntrance:
    """Takes line protocol at the addresses of InfluxDB 1 and 2."""

    def __init__(self, platform: Platform, entrance: Entrance) -> None:
        settings = platform.settings
        self._platform, self._entrance = platform, entrance
        self._mapping = mapping_of(settings.line_protocol, settings.server.interval_s)
        self._plain = PlainLines(self._mapping)
        self._longest = min(MIDDLE, settings.server.max_body_mb << 20)
        entrance.quick.large |= dict.fromkeys((V1, V2), self.read_head)

    def read_head(self, scope: Scope) -> Post | None:
        """Return what matters of the head of lines that may go the short way; None where something is odd."""
        try:
            query = query_of(scope)
            sender, precision = credential_in(scope, query).digest, precision_in(query)
        except (Refused, GridwrightError):
            return None
        alike = partial(self._alike, precision=precision)
        plain = PlainWay(self._plain, self._mapping, precision)
        return Post(scope["path"], sender, self._longest, "", alike, tell_lines, plain, failed_lines)

    def _alike(self, body: bytes, media: str, now: datetime, *, precision: str) -> DecodedLines | None:
        del media
        return decode_alike(body, self._mapping, precision, now)

    async def write(self, scope: Scope, receive: Receive) -> Answer:
        """Take lines: 204 when all are durable, 400 naming those that are not, which never costs the others."""
        try:
            query = query_of(scope)
            access = await self.admitted(scope, query)
            precision = precision_in(query)

            async def lines(body: bytes) -> DecodedLines:
                machine_for_lines()  # the first lines come this way, as nobody knows their head yet: it is loaded aside
                now = self._platform.clock()
                if len(body) <= SMALL:
                    return decode_lines(body, self._mapping, precision, now)
                if len(body) <= MIDDLE:
                    alike = decode_alike(body, self._mapping, precision, now)
                    if alike is not None:
                        return alike
                return await asyncio.to_thread(decode_lines, body, self._mapping, precision, now)

            return await self._entrance.taken(scope, receive, access, lines, tell_lines)
        except (Refused, GridwrightError) as error:
            return failed_lines(error, scope["path"])

    @property
    def ready(self) -> bool:
        """Tell whether readings are taken."""
        return self._entrance.ready

    async def admitted(self, scope: Scope, query: dict[str, str]) -> Access:
        """Return who sends; NotAuthenticated or NotAuthorised where it is nobody who may write."""
        return await self._entrance.admitted(credential_in(scope, query))

    async def body(self, scope: Scope, receive: Receive, limit: int) -> bytes:
        """Return the body of a question, within the bounds of all bodies."""
        return await self._entrance.body(scope, receive, limit)


SMALL = 64 * 1024
MIDDLE = 1024 * 1024  # up to which lines that are alike take no longer than a thread takes to be woken twice
TAKEN = Answer(HTTPStatus.NO_CONTENT, headers=HEADS)


def query_of(scope: Scope) -> dict[str, str]:
    """Return the query; what is not known is left alone, for clients send a lot. Refused where one is there twice."""
    return query_in(scope.get("query_string", b""))


def precision_in(query: dict[str, str]) -> str:
    """Return what a timestamp counts; Refused with 400 for what nobody knows."""
    precision = query.get("precision") or "ns"
    if precision not in PRECISIONS:
        raise refuse(HTTPStatus.BAD_REQUEST, f"precision={precision!r} is not known", remedy=KNOWN_PRECISIONS)
    return precision


def credential_in(scope: Scope, query: dict[str, str]) -> Credential:
    """Return what a request shows: the headers, or user and password of version 1 in the query."""
    try:
        return credential_of(scope["headers"], cookies=False)
    except NotAuthenticated:
        if header(scope, b"authorization") or not query.get("p"):
            raise
        return Credential(query["p"])


def tell_lines(batch: Batch) -> Answer:
    """Return 204, or 400 with the first wrong fields, as InfluxDB tells a partial write."""
    verdicts, decoded = batch.decoded.verdicts, batch.decoded
    if not verdicts.rejected:
        left_out = decoded.left_out if isinstance(decoded, DecodedLines) else {}
        return taken_without(left_out) if left_out else TAKEN
    wrong = sorted((one for one in verdicts.listed if one.status is Status.REJECTED), key=lambda one: one.line)
    told = "; ".join(sentence(one, decoded) for one in wrong[:TOLD])
    kept = verdicts.accepted + verdicts.quarantined
    more = f"; and {verdicts.rejected - TOLD} more" if verdicts.rejected > TOLD else ""
    head = "partial write: " if kept else "unable to parse: "
    message = f"{head}{told}{more} dropped={verdicts.rejected}"
    return influx_error(HTTPStatus.BAD_REQUEST, message, line=wrong[0].line if wrong else None)


def taken_without(left_out: Iterable[str]) -> Answer:
    """Return 204 with the names of the text fields that were left out."""
    names = in_header(", ".join(left_out))
    return Answer(HTTPStatus.NO_CONTENT, headers=(*HEADS, (b"x-gridwright-left-out", names)))


def in_header(text: str) -> bytes:
    """Return a text as a header may have it: without control characters, in ASCII, and short."""
    return NOT_IN_HEADERS.sub(" ", text).encode("ascii", "replace")[:400].strip()


def sentence(verdict: Verdict, decoded: object) -> str:
    """Return what is wrong with one field: line, field, value, reason and remedy."""
    fault = verdict.fault
    name = decoded.field_of(verdict.index) if isinstance(decoded, DecodedLines) else ""
    at = " at" if fault.field in TIMES else ""  # the value is the instant then, and none of the field
    value = f"{at} {verdict.value!r}" if verdict.value else ""
    remedy = f" ({fault.remedy})" if fault.remedy else ""
    return f"line {verdict.line}, field {shown(name) or fault.field}{value}: {fault.reason}{remedy}"


def failed_lines(error: Exception, path: str) -> Answer:
    """Return how a failure is told to a client of InfluxDB; one we did not expect as everywhere."""
    answer = answer_to(error, path)
    return as_influx(answer) if isinstance(error, Refused | GridwrightError) else answer


def not_answered(status: int, what: str) -> Answer:
    """Tell a client that reads, or asks for more than a place to write, where readings are read."""
    return influx_error(status, f"{what} is not answered here; read with GET /v1/usage-points/…/interval-blocks")


def as_influx(answer: Answer) -> Answer:
    """Return a problem as InfluxDB tells an error, with its headers."""
    told = json.loads(answer.body)
    message = told.get("detail", told.get("title", ""))
    remedy = told.get("remedy", "")
    return influx_error(answer.status, f"{message}; {remedy}" if remedy else message, headers=answer.headers)


def influx_error(
    status: int, message: str, *, line: int | None = None, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> Answer:
    """Return an error for clients of both versions: `code` and `message` of 2, `error` of 1."""
    code = CODES.get(int(status), "internal error")
    told: dict[str, object] = {"code": code, "message": message, "error": message}
    told |= {"line": line} if line is not None else {}
    extra = (*HEADS, (b"x-influxdb-error", in_header(message)), *headers)
    return Answer(int(status), json.dumps(told, ensure_ascii=False).encode(), headers=extra)
