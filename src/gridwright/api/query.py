"""The query of a request, in which each parameter stands once: of two values nobody knows which one is meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import parse_qsl

from gridwright.api.answer import refuse


def twice_in(names: Iterable[str]) -> str:
    """Return the first name that is there more than once; nothing where each is there once."""
    return next((name for name, times in Counter(names).items() if times > 1), "")


def query_in(written: bytes | str) -> dict[str, str]:
    """Return the parameters of a query; Refused with 400 where one is there twice."""
    text = written.decode("latin-1") if isinstance(written, bytes) else written
    pairs = parse_qsl(text)
    twice = twice_in(name for name, _ in pairs)
    if twice:
        reason = f"the query parameter {twice[:40]!r} is there twice"
        raise refuse(HTTPStatus.BAD_REQUEST, reason, remedy="send each parameter once", field=twice[:40])
    return dict(pairs)
