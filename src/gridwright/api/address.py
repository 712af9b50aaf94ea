"""Addresses of what there is, for Location headers and `href`."""

from __future__ import annotations

from urllib.parse import quote

from gridwright.api.door import PREFIX


def href(*parts: str) -> str:
    """Return the address of a thing from the parts of its path, each escaped: ids may hold any sign.

    >>> href("usage-points", "Straße 7")
    '/v1/usage-points/Stra%C3%9Fe%207'
    """
    return "/".join([PREFIX, *(quote(part, safe="") for part in parts)])
