"""`gridwright serve` itself: its one line, its key, its port, its certificate, its end."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gridwright.cli import main
from tests.integration.command_line import commands
from tests.integration.server_process import serving, start

if TYPE_CHECKING:
    from pathlib import Path


Serve = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Serve:
    """Run, in this process, a server that is expected not to start."""

    def serve(*options: str) -> subprocess.CompletedProcess[str]:
        command = ["gridwright", "serve", "--data", str(tmp_path / "data"), "--no-worker", *options]
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(command, ended.value.code, *capsys.readouterr())

    return serve


def test_the_first_start_makes_the_folder_and_prints_the_key_once(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    (tmp_path / "new").mkdir()
    with serving(data, "--no-worker") as server:
        assert server.admin_key.startswith("gw_")
        with server.client() as client:
            assert client.get("/readyz").json() == {"status": "ready", "store": "ok", "writer": "ok", "key": "ok"}
    assert (data / "gridwright.db").is_file()
    assert data.stat().st_mode & 0o077 == 0
    with serving(data, "--no-worker") as server:
        assert server.admin_key == ""


def test_a_folder_that_cannot_be_made_is_told(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    done = serve("--port", "0", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["where"]) == (2, str(tmp_path / "data"))
    assert "it is a file" in told["message"]


def test_the_whole_server_with_its_worker_ends_on_ctrl_c(tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    with server.client() as client:
        assert client.get("/healthz").json() == {"status": "ok"}
    server.process.send_signal(signal.SIGINT)
    assert server.stop() == 0
    assert "Traceback" not in server.stderr


def test_for_a_person_it_speaks_in_words(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gridwright", "serve", "--data", str(tmp_path), "--port", "0", "--no-worker"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        key = process.stdout.readline().strip()
        process.terminate()
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0
    assert key.startswith("gw_")
    assert "Gridwright listens on http://127.0.0.1:" in told
    assert "shown this once" in told
    assert "Stopped" in told
    assert key not in told


@pytest.mark.parametrize("as_json", [True, False])
def test_a_port_in_use_is_named_with_one_that_is_free(serve: Serve, as_json: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve("--port", str(port), *(["--json"] if as_json else []))
    assert done.returncode == 1
    told = json.loads(done.stdout) if as_json else None
    text = f"{told['message']} {told['remedy']}" if told else done.stderr
    assert f"port {port} is in use" in text
    assert "is free: --port" in text
    assert "gw_" not in done.stdout  # no key was made, and none is lost


def test_an_address_that_is_not_ours_is_told(serve: Serve) -> None:
    for host in ("203.0.113.7", "no.such.host.invalid"):
        done = serve("--port", "0", "--host", host)
        assert done.returncode == 2, done.stderr
        assert "--host" in done.stderr


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return cert, private


def test_with_a_certificate_it_speaks_tls(tmp_path: Path) -> None:
    cert, private = certificate(tmp_path)
    options = ("--no-worker", "--host", "localhost", "--tls-cert", str(cert), "--tls-key", str(private))
    with serving(tmp_path / "data", *options) as server:
        assert server.url.startswith("https://")
        context = ssl.create_default_context(cafile=cert)
        url = f"https://localhost:{httpx.URL(server.url).port}"
        headers = {"X-API-Key": server.admin_key}
        with httpx.Client(base_url=url, verify=context, headers=headers) as client:
            answer = client.post("/v1/readings", json=[])
            assert answer.json()["accepted"] == 0
            assert "max-age" in answer.headers["Strict-Transport-Security"]


def test_half_a_certificate_or_a_broken_one_is_told(serve: Serve, tmp_path: Path) -> None:
    cert, private = certificate(tmp_path)
    half = serve("--port", "0", "--tls-cert", str(cert))
    assert (half.returncode, "--tls-key" in half.stderr) == (2, True)
    private.write_text("nonsense")
    broken = serve("--port", "0", "--tls-cert", str(cert), "--tls-key", str(private))
    assert (broken.returncode, "cannot be used" in broken.stderr) == (2, True)


def test_a_store_of_a_newer_program_is_told_before_anything_listens(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gridwright.db").write_bytes(b"not a database at all" * 100)
    done = serve("--port", "0", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "StoreCorrupt"


def test_one_line_a_request_where_somebody_wants_to_read_it(tmp_path: Path) -> None:
    env = {**os.environ, "GRIDWRIGHT_LOG__LEVEL": "info", "GRIDWRIGHT_LOG__JSON_LINES": "true"}
    server = start(tmp_path / "data", "--no-worker", env=env)
    with server.client() as client:
        client.post("/meter_reading", data={"meter_id": "M-1", "reading": "1"})
        client.get("/healthz")
    assert server.stop() == 0
    lines = [json.loads(line) for line in server.stderr.splitlines()]
    requests = [(line["method"], line["path"], line["status"]) for line in lines if line["event"] == "request"]
    assert requests == [("POST", "/meter_reading", 202), ("GET", "/healthz", 200)]
    assert server.admin_key not in server.stderr


def test_the_doctor_finds_it_on_whatever_port_and_tells_when_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, data = commands(monkeypatch, capsys), tmp_path / "town"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRIDWRIGHT_STORE__URL", f"{data}/")

    def told() -> list[tuple[str, str]]:
        checks = json.loads(run("doctor", "--json")[1])["checks"]
        return [(each["state"], each["found"]) for each in checks if each["name"] == "server"]

    server = start(data, "--no-worker")
    try:
        monkeypatch.setenv("GRIDWRIGHT_KEY", server.admin_key)
        ((state, found),) = told()
        assert (state, found.startswith(f"{server.url}: ")) == ("ok", True), found
    finally:
        server.kill()
    assert told() == [("warn", f"none runs; the one at {server.url} was ended from outside")]
    again = start(data, "--no-worker", key=server.admin_key)
    assert [found.split(": ")[0] for _, found in told()] == [again.url]
    again.stop()
    assert "none runs in the data folder" in told()[0][1]
    assert list(data.glob("server-*")) == []
