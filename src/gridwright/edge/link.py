"""The way to the centre: one HTTP connection that is kept, over TLS where the address says so."""

from __future__ import annotations

import gzip
import http.client
import json
import ssl
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import msgspec

from gridwright.api.edge.wire import MEDIA, Ack, EdgeBatch
from gridwright.domain.errors import ConfigError

WORTH_PACKING = 512
REFUSALS = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
LONGEST_ANSWER = 64 << 20
# OpenSSL's reasons that no waiting mends.
WANTS_CERTIFICATE = "the centre wants a certificate of its own authority (set edge.client_cert and edge.client_key)"
TLS_ANSWERS = {
    "WRONG_VERSION_NUMBER": "the centre speaks no TLS at this port (name the port with TLS in edge.to, or write http://)",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": WANTS_CERTIFICATE,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": WANTS_CERTIFICATE,
    "TLSV1_ALERT_UNKNOWN_CA": WANTS_CERTIFICATE,
}


@dataclass(frozen=True, slots=True)
class Centre:
    """Where the centre is, what opens its door, and how its certificate is checked (and ours shown)."""

    url: str
    key: str = field(repr=False)
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    timeout_s: float = 60.0


class LinkDown(Exception):
    """The centre cannot be had, or not now; `after_s`: when it wants to be asked again (0 = it did not say).

    `failed`: it is there, and failed at this very request in a way that it did not expect (500).
    """

    def __init__(self, reason: str, after_s: float = 0.0, *, failed: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.after_s, self.failed = reason, after_s, failed


class LinkRefused(Exception):
    """The centre does not take a batch as it is, and would say the same again."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("detail", ""))
        self.problem = problem


class LinkGap(Exception):
    """The centre expects an earlier number than the batch begins with."""

    def __init__(self, expected: int) -> None:
        super().__init__(expected)
        self.expected = expected


class Link:
    """Sends batches; every failure closes the connection, and the next batch opens another."""

    def __init__(self, centre: Centre, edge: str) -> None:
        parts, self._host, self._port = address_of(centre.url)
        self._centre = centre
        self._path = f"{parts.path.rstrip('/')}/v1/edges/{quote(edge, safe='')}/batches"
        self._tls = tls_of(centre) if parts.scheme == "https" else None
        self._connection: http.client.HTTPConnection | None = None

    def send(self, batch: EdgeBatch) -> Ack:
        """Send a batch and return the answer; LinkDown, LinkRefused or LinkGap where there is none to be had."""
        body = msgspec.msgpack.encode(batch)
        headers = {"Content-Type": MEDIA, "Authorization": f"Bearer {self._centre.key}"}
        if len(body) > WORTH_PACKING:
            body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
        status, found, after = self._post(body, headers)
        if status == HTTPStatus.OK:
            try:
                return msgspec.json.decode(found, type=Ack)
            except msgspec.DecodeError as error:
                raise LinkDown(f"what answers at {self._centre.url} is no centre: {error}") from error
        raise refusal(status, found, after)

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, str]:
        """Post a body; a kept connection that the other side has closed meanwhile is no failure, a second one is."""
        kept = self._connection is not None
        try:
            return self._posted(body, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            if kept and isinstance(error, ConnectionError):
                return self._post(body, headers)
            raise LinkDown(trouble(error)) from error

    def _posted(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, str]:
        connection = self._connection = self._connection or self._connected()
        connection.request("POST", self._path, body, headers)
        answer = connection.getresponse()
        found = answer.read(LONGEST_ANSWER)
        if answer.will_close:
            self.close()
        return answer.status, found, answer.headers.get("Retry-After", "")

    def _connected(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._centre.timeout_s)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._centre.timeout_s, context=self._tls)

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def trouble(error: Exception) -> str:
    """Say why there is no connection, and what helps where waiting does not."""
    if isinstance(error, ssl.SSLCertVerificationError):
        told = error.verify_message or str(error)
        return f"the centre's certificate is not believed: {told} (set edge.ca_file, or look at edge.to)"
    if isinstance(error, ssl.SSLError) and error.reason in TLS_ANSWERS:
        return TLS_ANSWERS[error.reason]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def address_of(url: str) -> tuple[SplitResult, str, int | None]:
    """Return the parts of a centre's address, its host and its port; ConfigError where it is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigError(
            f"{url!r} is no address of a centre", where="edge.to", remedy="write for example https://grid.example:8443"
        )
    return parts, host, port


def refusal(status: int, body: bytes, after: str) -> Exception:
    """Return what an answer other than 200 means for the batch."""
    try:
        problem = json.loads(body)
        told = problem if isinstance(problem, dict) else {}
    except ValueError:
        told = {}
    detail = str(told.get("detail") or told.get("title") or "it does not say why")
    if status == HTTPStatus.CONFLICT and isinstance(told.get("expected"), int):
        return LinkGap(told["expected"])
    if status in REFUSALS:
        return LinkRefused({**told, "detail": detail})
    failed = status == HTTPStatus.INTERNAL_SERVER_ERROR
    return LinkDown(f"the centre answers {status}: {detail}", float(after) if after.isdigit() else 0.0, failed=failed)


def tls_of(centre: Centre) -> ssl.SSLContext:
    """Return how TLS is spoken: the centre's certificate is always checked, ours is shown where there is one."""
    try:
        context = ssl.create_default_context(cafile=centre.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if centre.client_cert is not None:
            context.load_cert_chain(centre.client_cert, centre.client_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"a certificate cannot be used: {error}",
            where=", ".join(str(path) for path in (centre.ca_file, centre.client_cert, centre.client_key) if path),
            remedy="give PEM files that this user can read",
        ) from error
    return context
