"""MQTT by TLS with a real Mosquitto that wants a client certificate, and what is told where something does not fit."""

from __future__ import annotations

import asyncio
import ipaddress
import shutil
import subprocess
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gridwright.app import Platform
from gridwright.domain.errors import ConfigError
from gridwright.listen.listener import Listener
from gridwright.settings import MqttSettings, Settings, StoreSettings
from tests.integration.listen_site import WITHIN_S, Mosquitto, there_is_a_broker

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.skipif(not there_is_a_broker(), reason="there is no mosquitto"),
    # paho leaves the socket of a handshake that failed to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl:pytest.PytestUnraisableExceptionWarning"),
]
PASSWD = shutil.which("mosquitto_passwd") or "mosquitto_passwd"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """An authority that signs certificates into a folder."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.pem"

    def signs(self, name: str, *, host: str = "127.0.0.1", until: datetime = NOW + DAY) -> Path:
        """Sign a certificate for a host, and write it with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        address = x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
        names = x509.SubjectAlternativeName([address])
        made = built(name, self.name, key).add_extension(names, critical=False)
        made = made.not_valid_before(until - 3 * DAY).not_valid_after(until)
        return written(self.folder / f"{name}.pem", made.sign(self.key, hashes.SHA256()), key)


def built(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, issuer))
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key())
    return made.serial_number(x509.random_serial_number())


def written(path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Path:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    path.with_suffix(".key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return path


def authority(folder: Path, name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    made = built(name, name, key).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = made.sign(key, hashes.SHA256())
    written(folder / f"{name}.pem", certificate, key)
    return Authority(folder, name, key, certificate)


@dataclass
class Guarded:
    """A broker that wants a certificate and a password."""

    folder: Path
    ours: Authority
    broker: Mosquitto

    def settings(self, **changed: Any) -> Settings:  # noqa: ANN401 - any setting
        client, password = self.folder / "listener.pem", self.folder / "password"
        said: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.broker.port,
            "tls": True,
            "ca_file": self.ours.file,
            "client_cert": client,
            "client_key": client.with_suffix(".key"),
            "username": "gridwright",
            "password_file": password,
        }
        return Settings(
            store=StoreSettings(url=str(self.folder / "gridwright.db")), mqtt=MqttSettings(**(said | changed))
        )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("tls")
    ours = authority(folder, "authority")
    ours.signs("broker")
    ours.signs("listener")
    (folder / "password").write_text("right\n")
    subprocess.run([PASSWD, "-b", "-c", str(folder / "users"), "gridwright", "right"], check=True)
    more: tuple[str, ...] = (f"cafile {ours.file}", f"certfile {folder}/broker.pem", f"keyfile {folder}/broker.key")
    more += ("require_certificate true", "allow_anonymous false", f"password_file {folder}/users")
    broker = Mosquitto(folder, more)
    broker.start()
    yield Guarded(folder, ours, broker)
    broker.kill()


async def met(settings: Settings) -> Listener:
    """Listen until the broker has us."""
    with closing(Platform(settings)) as platform:
        listener, stop = Listener(platform, settings.mqtt), asyncio.Event()
        running = asyncio.create_task(listener.run(stop))
        up = asyncio.create_task(listener.up.wait())
        await asyncio.wait({running, up}, timeout=WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        stop.set()
        await running
        return listener


def refusal(settings: Settings) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        asyncio.run(asyncio.wait_for(met(settings), WITHIN_S))
    return caught.value


def test_with_the_right_certificates_and_password_the_broker_has_us(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asyncio.run(met(guarded.settings())).up.is_set()
    monkeypatch.setenv("GRIDWRIGHT_MQTT_PASSWORD", "right")
    assert asyncio.run(met(guarded.settings(password_file=None))).up.is_set()


def test_what_does_not_fit_ends_the_listener_with_the_remedy(guarded: Guarded, tmp_path: Path) -> None:
    other = authority(tmp_path, "other")
    strange = other.signs("stranger")
    late = guarded.ours.signs("late", until=NOW - DAY)
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"ca_file": other.file}, "is not from", "mqtt.ca_file"),
        ({"ca_file": None}, "is not from the system's authorities", "mqtt.ca_file"),
        ({"host": "localhost"}, "is for another name than 'localhost'", "mqtt.host"),
        ({"client_cert": None, "client_key": None}, "wants a client certificate", "mqtt.client_cert"),
        ({"client_cert": strange, "client_key": strange.with_suffix(".key")}, "authority of our", "mqtt.client_cert"),
        ({"client_cert": late, "client_key": late.with_suffix(".key")}, "our certificate has expired", "renew"),
        ({"client_key": strange.with_suffix(".key")}, "our certificate cannot be used", "mqtt.client_key"),
        ({"ca_file": tmp_path / "absent.pem"}, "authority's certificate cannot be used: no such", "mqtt.ca_file"),
        ({"tls": False}, "reached without TLS", "mqtt.tls"),
        ({"password_file": guarded.ours.file}, "Not authorized", "password"),
        ({"password_file": tmp_path / "absent"}, "the password cannot be read", "GRIDWRIGHT_MQTT_PASSWORD"),
    ]
    for changed, said, remedy in cases:
        error = refusal(guarded.settings(**changed))
        assert said in error.message, (changed, error)
        assert remedy in error.remedy, (changed, error)


def test_the_broker_s_certificate_may_have_expired_or_there_is_no_tls(tmp_path: Path) -> None:
    ours = authority(tmp_path, "authority")
    ours.signs("broker", until=NOW - DAY)
    ours.signs("listener")
    (tmp_path / "password").write_text("right")
    more: tuple[str, ...] = (f"cafile {ours.file}", f"certfile {tmp_path}/broker.pem", f"keyfile {tmp_path}/broker.key")
    broker = Mosquitto(tmp_path, (*more, "allow_anonymous true"))
    broker.start()
    try:
        assert "the broker's certificate has expired" in refusal(Guarded(tmp_path, ours, broker).settings()).message
    finally:
        broker.kill()
