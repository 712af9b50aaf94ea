"""Connections to MariaDB and MySQL: TLS as the address asks for it, else where it is offered, with one context."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from pymysql.connections import Connection
from pymysql.constants import CLIENT
from sqlalchemy.exc import OperationalError

from gridwright.store.engine import make_engine, resolve
from gridwright.store.shared_tls import SharingConnection, unchecked

CLIENT_HELLO = 0x16
COMMON = CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH


@dataclass(slots=True)
class Heard:
    """How clients began to speak with a server: for each, whether it asked for TLS; the server hangs up then."""

    tls: list[bool] = field(default_factory=list)


def greeting(*, tls: bool) -> bytes:
    """Return the first packet of a MariaDB server."""
    able = COMMON | (CLIENT.SSL if tls else 0)
    said = b"\x0a10.11.0-MariaDB\x00" + struct.pack("<I", 1) + b"s" * 8 + b"\x00"
    said += struct.pack("<HBHHB", able & 0xFFFF, 45, 2, able >> 16, 21) + bytes(10) + b"s" * 12 + b"\x00"
    said += b"mysql_native_password\x00"
    return struct.pack("<I", len(said)) + said


@contextmanager
def mariadb(heard: Heard, *, tls: bool) -> Iterator[str]:
    """Run a server that greets, hears how its client goes on, and hangs up."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client, client.makefile("rb") as said:
                client.sendall(greeting(tls=tls))
                packet = said.read(int.from_bytes(said.read(4)[:3], "little"))
                if packet:
                    wants = bool(struct.unpack("<I", packet[:4])[0] & CLIENT.SSL)
                    heard.tls.append(wants and said.read(1)[0] == CLIENT_HELLO)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"mysql://gridwright@127.0.0.1:{listening.getsockname()[1]}/gridwright"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        listening.close()


def connect(address: str) -> None:
    """Connect to a server that hangs up."""
    engine = make_engine(resolve(address), create=False)
    with pytest.raises(OperationalError):
        engine.connect()
    engine.dispose()


@pytest.mark.parametrize("offered", [True, False])
def test_tls_is_taken_where_it_is_offered(offered: bool) -> None:
    heard = Heard()
    with mariadb(heard, tls=offered) as address:
        connect(address)
    assert heard.tls == [offered], "one that hangs up within TLS is not asked again without"


@pytest.mark.parametrize(("asked", "expected"), [("ssl_disabled=1", [False]), ("ssl_verify_cert=true", [True])])
def test_the_address_decides(asked: str, expected: list[bool]) -> None:
    heard = Heard()
    with mariadb(heard, tls=True) as address:
        connect(f"{address}?{asked}")
    assert heard.tls == expected


def test_tls_that_is_asked_for_must_be_there() -> None:
    heard = Heard()
    with mariadb(heard, tls=False) as address:
        engine = make_engine(resolve(f"{address}?ssl_verify_cert=true"), create=False)
        with pytest.raises(OperationalError, match="SSL is required"):
            engine.connect()
        engine.dispose()
    assert heard.tls == []


def test_certificates_are_loaded_where_they_are_asked_for_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ssl.SSLContext] = []
    by_python = ssl.create_default_context

    def counted(**options: object) -> ssl.SSLContext:
        made.append(by_python(**options))  # type: ignore[arg-type] # whatever PyMySQL gives
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", counted)
    with mariadb(Heard(), tls=True) as address:
        for _ in range(3):
            connect(address)
        assert made == []
        connect(f"{address}?ssl_verify_cert=true")
    assert [context.verify_mode for context in made] == [ssl.CERT_REQUIRED]


def test_the_shared_context_asks_for_what_pymysql_asks_for() -> None:
    """Should a new PyMySQL be stricter where nothing is said, this says so."""
    by_pymysql = Connection(defer_connect=True).ctx  # type: ignore[attr-defined] # untyped
    for name in ("verify_mode", "check_hostname", "minimum_version", "maximum_version", "protocol"):
        assert getattr(unchecked(), name) == getattr(by_pymysql, name), name
    assert {one["name"] for one in unchecked().get_ciphers()} == {one["name"] for one in by_pymysql.get_ciphers()}
    assert SharingConnection(defer_connect=True).ctx is unchecked()  # type: ignore[attr-defined] # untyped
