"""A small HTTP client for a story on this machine: JSON in, JSON out, problems as errors."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from gridwright.domain.errors import GridwrightError

TIMEOUT_S = 60.0
FAILED = 400
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer; `json` decodes it."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the server said
        """The body as JSON."""
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True, slots=True)
class Client:
    """Calls one server with one key."""

    url: str
    key: str = ""

    def with_key(self, key: str) -> Client:
        """Return a client of the same server that speaks for somebody else."""
        return Client(self.url, key)

    def call(self, method: str, path: str, body: bytes | None = None, media_type: str = JSON) -> Answer:
        """Call the server and return what it answers, whatever its status."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_S)
        headers = {"Content-Type": media_type} if body is not None else {}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read(), {k.lower(): v for k, v in response.getheaders()})
        except (OSError, http.client.HTTPException) as error:
            raise GridwrightError(f"the server does not answer: {error}", where=f"{method} {path}") from error
        finally:
            connection.close()

    def get(self, path: str, **query: str | int) -> Any:  # noqa: ANN401 - whatever the server said
        """Return the JSON of a GET; a problem is a GridwrightError."""
        return self._good("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, document: object = None) -> Any:  # noqa: ANN401 - whatever the server said
        """Send JSON and return the JSON of the answer; a problem is a GridwrightError."""
        return self._good("POST", path, json.dumps(document if document is not None else {}).encode())

    def put(self, path: str, document: object) -> Any:  # noqa: ANN401 - whatever the server said
        """Replace something; a problem is a GridwrightError."""
        return self._good("PUT", path, json.dumps(document).encode())

    def _good(self, method: str, path: str, body: bytes | None = None) -> Any:  # noqa: ANN401 - as above
        answer = self.call(method, path, body)
        if answer.status >= FAILED:
            raise refused(method, path, answer)
        return answer.json

    def job(self, path: str, document: object, *, wait_s: float = TIMEOUT_S) -> Mapping[str, Any]:
        """Order long work and return its result once it is done; a failed job is a GridwrightError."""
        answer = self.call("POST", path, json.dumps(document).encode())
        if answer.status >= FAILED:
            raise refused("POST", path, answer)
        place = answer.headers["location"]
        until = time.monotonic() + wait_s
        while time.monotonic() < until:
            job = self.get(place)
            if job["state"] == "failed":
                raise GridwrightError(job["error"], where=place)
            if job["state"] == "done":
                result: Mapping[str, Any] = job["result"]
                return result
            time.sleep(0.1)
        raise GridwrightError(f"the job is not done after {wait_s:g} s", where=place)


def refused(method: str, path: str, answer: Answer) -> GridwrightError:
    """Return the problem that the server told, as an error."""
    try:
        problem = answer.json
        message = problem.get("detail") or problem.get("title") or str(answer.status)
        return GridwrightError(message, where=f"{method} {path}", remedy=problem.get("remedy", ""))
    except (ValueError, AttributeError):
        return GridwrightError(f"status {answer.status}", where=f"{method} {path}")
