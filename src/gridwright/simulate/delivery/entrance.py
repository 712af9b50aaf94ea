"""The client side of the entrances: one connection, patient with a server that is busy or gone, safe to send again."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from gridwright.domain.errors import GridwrightError, UsageError

ARROW = "application/vnd.apache.arrow.stream"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
BUSY = (429, 502, 503, 504)
FAILED, KNOWN_ALREADY, TOO_OLD_A_TAG = 400, 409, 412
TRIES, FIRST_PAUSE_S, LONGEST_PAUSE_S = 12, 0.1, 10.0
TIMEOUT_S = 60.0


class Refused(GridwrightError):
    """The server says no, and would say so again."""


@dataclass(slots=True)
class Delivered:
    """What the server has acknowledged so far."""

    accepted: int = 0
    rejected: int = 0
    quarantined: int = 0
    singles: int = 0
    verdicts: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, answer: Mapping[str, Any]) -> None:
        """Add the answer to a batch."""
        self.accepted += answer["accepted"]
        self.rejected += answer["rejected"]
        self.quarantined += answer["quarantined"]
        self.verdicts += answer["verdicts"]


class Entrance:
    """Sends to one server with one key; a batch that is sent again changes nothing, so that it may be retried."""

    def __init__(
        self, url: str, key: str, *, sleep: Callable[[float], object] = time.sleep, tries: int = TRIES
    ) -> None:
        address = urlsplit(url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise UsageError(f"{url!r} is no address of a server", remedy="write http://127.0.0.1:8080")
        self._address, self._key, self._sleep, self._tries = address, key, sleep, tries
        self._connection: http.client.HTTPConnection | None = None
        self.delivered = Delivered()

    def post_batch(self, body: bytes, media_type: str = ARROW) -> None:
        """Send a batch of readings and add its verdict to `delivered`."""
        self.delivered.add(self.call("POST", "/v1/readings", body, media_type))

    def post_reading(self, meter: str, reading_kwh: str, at: str) -> None:
        """Send one register read as a small device does."""
        form = urlencode({"meter_id": meter, "reading": reading_kwh, "at": at}).encode()
        self.call("POST", "/meter_reading", form, FORM)
        self.delivered.singles += 1

    def send(self, method: str, path: str, document: object, *, may_exist: bool = False, **headers: str) -> Any:  # noqa: ANN401 - JSON
        """Send a JSON document; with `may_exist`, a server that has the thing already is content."""
        try:
            return self.call(method, path, json.dumps(document).encode(), JSON, headers)
        except Refused as error:
            if may_exist and error.where.endswith((f" {KNOWN_ALREADY}", f" {TOO_OLD_A_TAG}")):
                return None
            raise

    def call(
        self, method: str, path: str, body: bytes, media_type: str, headers: Mapping[str, str] | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        """Call until there is an answer that says more than "later"; Refused when the server says no."""
        pause, last = FIRST_PAUSE_S, ""
        for _ in range(self._tries):
            try:
                status, answer, wait = self._once(method, path, body, {"Content-Type": media_type, **(headers or {})})
            except (OSError, http.client.HTTPException) as error:
                self.close()
                last, wait = str(error) or type(error).__name__, 0.0
            else:
                if status not in BUSY:
                    return self._read(method, path, status, answer)
                last = f"status {status}"
            self._sleep(max(pause, wait))
            pause = min(pause * 2, LONGEST_PAUSE_S)
        raise GridwrightError(
            f"the server does not answer: {last}",
            where=f"{self._address.scheme}://{self._address.netloc}",
            remedy="check that gridwright serve runs there, then run this again: nothing is sent twice",
        )

    def _once(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes, float]:
        if self._connection is None:
            secure = self._address.scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            self._connection = kind(self._address.hostname or "", self._address.port, timeout=TIMEOUT_S)
        self._connection.request(method, path, body, {"Authorization": f"Bearer {self._key}", **headers})
        response = self._connection.getresponse()
        answer = response.read()
        later = response.getheader("Retry-After") or "0"
        return response.status, answer, float(later) if later.isdigit() else 0.0

    @staticmethod
    def _read(method: str, path: str, status: int, answer: bytes) -> Any:  # noqa: ANN401 - JSON
        if status < FAILED:
            try:
                return json.loads(answer) if answer else None
            except ValueError:
                return answer.decode()
        try:
            problem = json.loads(answer)
        except ValueError:
            problem = {}
        raise Refused(
            str(problem.get("detail") or problem.get("title") or f"status {status}"),
            where=f"{method} {path} {status}",
            remedy=str(problem.get("remedy", "")),
        )

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
