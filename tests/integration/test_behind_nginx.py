"""Behind a real nginx, set up as the how-to says: ids with slashes, forms, cookies, edits, large and packed bodies."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.conftest import ROOT
from tests.integration.server_process import Server, serving

PAGE = ROOT / "docs" / "howto" / "run_behind_a_proxy.md"
IDS = ["9b6c7063/01", "a//b", "%2F", "50% ü?#;\\", "roof.csv"]
WITHIN_S = 60
# What stands around the how-to's `location`: its own places, so that it touches nothing of the machine's nginx.
AROUND = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; {user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
{inside}
    }}
}}
"""


def documented(server_port: int) -> str:
    """Return what the how-to writes within `server`, without TLS, which needs a certificate of its own."""
    (block,) = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    inside = re.sub(r"^ *(listen|server_name|ssl_\w+) .*\n", "", block, flags=re.MULTILINE)
    inside = inside.strip().removeprefix("server {").removesuffix("}")
    assert "$scheme" in inside
    return inside.replace("127.0.0.1:8080", f"127.0.0.1:{server_port}").replace("$scheme", "https")


def free_port() -> int:
    """Return a port that nobody has at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(scope="module")
def nginx() -> str:
    """Return the program; Debian has it where not everybody's path leads."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("no nginx on this machine; install it (Debian: apt install nginx-light)")
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    env = {"GRIDWRIGHT_SERVER__PROXIES": '["127.0.0.1"]', "GRIDWRIGHT_LOG__LEVEL": "info"}
    with serving(tmp_path_factory.mktemp("behind") / "data", "--no-worker", env=env, quiet=False) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(nginx: str, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run nginx before the server, and return its address."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    inside = documented(int(server.url.rsplit(":", 1)[1]))
    (folder / "conf").write_text(AROUND.format(folder=folder, user=user, port=port, inside=inside), encoding="utf-8")
    command = [nginx, "-p", str(folder), "-c", str(folder / "conf"), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        yield answering(f"http://127.0.0.1:{port}", process, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WITHIN_S)


def answering(url: str, process: subprocess.Popen[bytes], folder: Path) -> str:
    """Wait until nginx hands requests on."""
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return url
        except httpx.TransportError:
            time.sleep(0.02)
    log = folder / "error.log"
    raise AssertionError(log.read_text(encoding="utf-8") if log.exists() else "nginx does not answer")


@pytest.fixture
def client(proxy: str, server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy, headers={"Authorization": f"Bearer {server.admin_key}"}, timeout=60) as found:
        yield found


@pytest.mark.parametrize("name", IDS)
def test_an_id_with_any_sign_arrives_as_it_was_sent(client: httpx.Client, name: str) -> None:
    assert client.post("/v1/usage-points", json={"id": name}).status_code == 201
    found = client.get(f"/v1/usage-points/{quote(name, safe='')}")
    assert (found.status_code, found.json()["id"]) == (200, name)


def test_an_edit_goes_by_the_tag_that_compression_made_weak(client: httpx.Client) -> None:
    attributes = {f"attribute_{number}": "x" * 40 for number in range(40)}
    client.post("/v1/usage-points", json={"id": "tagged", "attributes": attributes})
    found = client.get("/v1/usage-points/tagged")
    assert found.headers["content-encoding"] == "gzip"
    assert found.headers["etag"].startswith('W/"')
    made_from, change = {"If-Match": found.headers["etag"]}, {"attributes": {"a": "1"}}
    assert client.put("/v1/usage-points/tagged", headers=made_from, json=change).status_code == 200
    assert client.put("/v1/usage-points/tagged", headers=made_from, json=change).status_code == 412


def test_a_body_as_large_as_the_server_takes_passes_and_a_larger_one_is_told(client: httpx.Client) -> None:
    record = b'{"usage_point": "large", "start": "2025-01-01T00:00:00Z", "kwh": 1}'
    room = 64 * (1 << 20) - len(record) - 2
    whole = b"[" + record + b" " * room + b"]"
    head = {"Content-Type": "application/json"}
    assert client.post("/v1/readings", content=whole, headers=head).status_code == 200
    packed = {**head, "Content-Encoding": "gzip"}
    assert client.post("/v1/readings", content=gzip.compress(whole, 1), headers=packed).status_code == 200
    assert client.post("/v1/readings", content=whole + b" ", headers=head).status_code == 413


def test_a_browser_signs_in_and_its_cookie_goes_over_https_alone(proxy: str, server: Server) -> None:
    with httpx.Client(base_url=proxy, timeout=60) as browser:
        page = browser.get("/sign-in")
        assert page.headers["strict-transport-security"]
        answer = browser.post("/sign-in", data={"key": server.admin_key}, headers={"Origin": proxy})
    assert answer.status_code == 303, answer.text
    assert "Secure" in answer.headers["set-cookie"]


def test_the_log_names_the_client_and_nobody_else_may_say_who_it_is(proxy: str, server: Server) -> None:
    httpx.get(f"{proxy}/v1/status", headers={"X-Forwarded-For": "203.0.113.9"})
    httpx.get(f"{proxy}/v1/nowhere")
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end and "/v1/nowhere" not in server.stderr:
        time.sleep(0.02)
    assert "203.0.113.9" not in server.stderr
