"""Connections to MariaDB and MySQL that share one TLS context where the address says nothing of TLS.

PyMySQL takes TLS then where the server offers it, without asking for a certificate; yet it makes a context for each
connection, and loads all certificates of the system into it: 35 ms of computing, also where the server has no TLS.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any

from pymysql.connections import Connection


class SharingConnection(Connection):
    """PyMySQL's connection; an address with options for TLS has the context that they ask for, of its own."""

    _read_timeout: float | None
    _write_timeout: float | None

    def connect(self, sock: Any = None) -> None:  # noqa: ANN401 - PyMySQL's own
        """Connect; a server that takes the connection, and says nothing then, is waited for no longer than another."""
        read, write, patience = self._read_timeout, self._write_timeout, self.connect_timeout
        self._read_timeout, self._write_timeout = read or patience, write or patience
        try:
            super().connect(sock)
        finally:
            self._read_timeout, self._write_timeout = read, write

    # Should PyMySQL ever make its contexts elsewhere, they are its own again: slower, and no less safe.
    def _create_ssl_ctx(self, sslp: Mapping[str, object] | ssl.SSLContext) -> ssl.SSLContext:
        made: ssl.SSLContext = super()._create_ssl_ctx(sslp) if sslp else unchecked()  # type: ignore[misc] # untyped
        return made


@cache
def unchecked() -> ssl.SSLContext:
    """Return the context of all connections whose address asks for no certificate to be checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
