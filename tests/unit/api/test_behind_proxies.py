"""Who the client is, and whether it spoke HTTPS, is believed of the proxies that are named, and of nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gridwright.api.server import behind
from gridwright.domain.errors import ConfigError
from gridwright.settings import load_settings


class Told:
    """An application that keeps what it was asked with."""

    quick = "the quick way"

    def __init__(self) -> None:
        self.scope: dict[str, Any] = {}

    async def __call__(self, scope: dict[str, Any], *_: object) -> None:
        self.scope = scope


@pytest.mark.parametrize(
    ("proxies", "peer", "scheme", "client"),
    [
        ((), "127.0.0.1", "http", "127.0.0.1"),
        (("127.0.0.1/32",), "127.0.0.1", "https", "203.0.113.9"),
        (("10.0.0.0/8",), "10.1.2.3", "https", "203.0.113.9"),
        (("10.0.0.0/8",), "192.0.2.1", "http", "192.0.2.1"),
        (("::1/128",), "::1", "https", "203.0.113.9"),
    ],
)
def test_only_named_proxies_are_believed(proxies: tuple[str, ...], peer: str, scheme: str, client: str) -> None:
    told: Any = Told()
    asked: Any = behind(told, proxies)
    headers = [(b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"https")]
    scope = {"type": "http", "scheme": "http", "client": (peer, 4711), "headers": headers}
    asyncio.run(asked(scope, None, None))
    assert (told.scope["scheme"], told.scope["client"][0]) == (scheme, client)
    assert asked.quick == told.quick


def test_a_proxy_that_is_no_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDWRIGHT_SERVER__PROXIES", '["my-proxy"]')
    with pytest.raises(ConfigError, match="network"):
        load_settings(None)
