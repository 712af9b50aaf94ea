"""The way to the centre: TLS is checked, ours is shown, answers mean what they say, and a cut is no more than a cut."""

from __future__ import annotations

import gzip
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gridwright.api.edge.wire import Ack, ClockTrust, EdgeBatch, Record, Report, read_batch
from gridwright.domain.errors import ConfigError
from gridwright.edge.link import Centre, Link, LinkDown, LinkGap, LinkRefused, trouble

NOW = datetime.now(UTC)
RECORD = Record(1, "/meter_reading", "x", "", 5, ClockTrust.RIGHT, stamped=True, body=b"x" * 2000)
BATCH = EdgeBatch("a1", 1, 1, [RECORD], Report(1))
ACK = msgspec.json.encode(Ack("E", "a1", 1, 7))


@dataclass
class Answers:
    """What a centre answers, and what it was asked."""

    status: int = 200
    body: bytes = ACK
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def centre(answers: Answers, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Run a server that answers so."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            answers.asked.append((self.path, dict(self.headers), body))
            self.send_response(answers.status)
            for name, value in {**answers.headers, "Content-Length": str(len(answers.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answers.body)
            self.close_connection = answers.hang_up

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_batch_goes_packed_and_its_answer_comes_back() -> None:
    answers = Answers()
    with centre(answers) as url:
        link = Link(Centre(f"{url}/grid/", "k-1"), "E/1 ü")
        assert link.send(BATCH).acknowledged == 1
        assert link.send(msgspec.structs.replace(BATCH, records=[], last=0)).now_us == 7
        link.close()
    path, headers, body = answers.asked[0]
    assert path == "/grid/v1/edges/E%2F1%20%C3%BC/batches"
    assert (headers["Authorization"], headers["Content-Encoding"]) == ("Bearer k-1", "gzip")
    assert read_batch(body) == BATCH
    assert "k-1" not in repr(Centre(url, "k-1"))


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (409, b'{"detail": "gap", "expected": 7}', {}, LinkGap),
        (409, b'{"detail": "another"}', {}, LinkDown),
        (422, b'{"detail": "no"}', {}, LinkRefused),
        (413, b"", {}, LinkRefused),
        (429, b'{"detail": "busy"}', {"Retry-After": "7"}, LinkDown),
        (503, b"<html>", {"Retry-After": "soon"}, LinkDown),
        (507, b"[]", {}, LinkDown),
        (500, b'{"detail": "the server failed at this request"}', {}, LinkDown),
        (502, b"<html>", {}, LinkDown),
        (401, b"{}", {}, LinkDown),
        (404, b"{}", {}, LinkDown),
        (200, b"<html>a proxy's page</html>", {}, LinkDown),
        (302, b"", {"Location": "http://127.0.0.1:1/"}, LinkDown),
    ],
)
def test_answers_mean_what_they_say(
    status: int, body: bytes, headers: dict[str, str], expected: type[Exception]
) -> None:
    with centre(Answers(status, body, headers)) as url:
        link = Link(Centre(url, "k"), "E")
        with pytest.raises(expected) as caught:
            link.send(BATCH)
        link.close()
    if isinstance(caught.value, LinkDown):
        assert caught.value.after_s == (7.0 if status == 429 else 0.0)
        assert caught.value.failed == (status == 500)
    if isinstance(caught.value, LinkGap):
        assert caught.value.expected == 7


def test_a_kept_connection_that_was_closed_is_no_failure() -> None:
    answers = Answers(hang_up=True)
    with centre(answers) as url:
        link = Link(Centre(url, "k"), "E")
        for _ in range(3):
            assert link.send(BATCH).acknowledged == 1
        link.close()
    with pytest.raises(LinkDown, match="ConnectionRefusedError"):
        link.send(BATCH)


@pytest.mark.parametrize(
    "url", ["grid.example", "ftp://grid.example", "http://", "https://:80", "http://[", "http://grid:99999"]
)
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(ConfigError, match="no address of a centre"):
        Link(Centre(url, "k"), "E")


@dataclass(frozen=True)
class Party:
    """A certificate with its key, as files."""

    cert: Path
    key: Path


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Party]:
    """A certificate authority, and who has a certificate of it; `stranger` is its own."""
    folder = tmp_path_factory.mktemp("tls")
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("ca", "server", "edge", "stranger")}
    for name in keys:
        write_party(folder, name, keys, "ca" if name != "stranger" else "stranger")
    return lambda name: Party(folder / f"{name}.pem", folder / f"{name}.key")


def write_party(folder: Path, name: str, keys: dict[str, ec.EllipticCurvePrivateKey], issuer: str) -> None:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(keys[name].public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys[name].public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[issuer].public_key()), critical=False)
    )
    certificate = builder.sign(keys[issuer], hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(keys[name].private_bytes(*plain))


def test_the_certificates_of_both_sides_are_checked(parties: Callable[[str], Party]) -> None:
    ours, authority, edge = parties("server"), parties("ca"), parties("edge")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.cert)
    tls.load_cert_chain(ours.cert, ours.key)
    tls.verify_mode = ssl.CERT_REQUIRED
    with centre(Answers(), tls) as url:

        def send(ca: Path | None, shown: Party | None) -> Ack:
            cert, key = (shown.cert, shown.key) if shown else (None, None)
            link = Link(Centre(url, "k", ca, cert, key, 10), "E")
            try:
                return link.send(BATCH)
            finally:
                link.close()

        assert send(authority.cert, edge).acknowledged == 1
        for ca in (None, parties("stranger").cert):
            with pytest.raises(LinkDown, match=r"the centre's certificate is not believed: .* \(set edge.ca_file"):
                send(ca, edge)
        for wrong in (None, parties("stranger")):
            with pytest.raises(LinkDown):
                send(authority.cert, wrong)


def test_what_a_centre_says_that_wants_a_certificate_is_told() -> None:
    error = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] alert")
    error.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert "edge.client_cert" in trouble(error)


def test_a_port_without_tls_is_told() -> None:
    with centre(Answers()) as url, pytest.raises(LinkDown, match="speaks no TLS at this port"):
        Link(Centre(url.replace("http:", "https:"), "k", timeout_s=10), "E").send(BATCH)


def test_a_certificate_that_cannot_be_used_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match="a certificate cannot be used"):
        Link(Centre("https://127.0.0.1:1", "k", tmp_path / "no.pem"), "E")
    with pytest.raises(ConfigError, match="a certificate cannot be used"):
        Link(Centre("https://127.0.0.1:1", "k", client_cert=tmp_path / "absent.pem"), "E")
