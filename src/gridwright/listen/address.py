"""Where the broker is, who we are there, and what we subscribe to, from the settings."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gridwright.domain.errors import ConfigError
from gridwright.protocols.sparkplug.session import NAMESPACE

if TYPE_CHECKING:
    from gridwright.settings import MqttSettings

PASSWORD_VARIABLE = "GRIDWRIGHT_MQTT_PASSWORD"  # noqa: S105 - the variable's name


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is, who we are there, and what we subscribe to; `in_flight`: messages not acknowledged yet."""

    host: str
    port: int = 1883
    identifier: str = "gridwright"
    filters: tuple[str, ...] = ()
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    session_s: int = 7 * 86_400
    in_flight: int = 1_000
    keep_alive_s: int = 30


def address_of(chosen: MqttSettings) -> BrokerAddress:
    """Return where to connect and what to subscribe to; Sparkplug is never shared, for its order counts."""
    share = f"$share/{chosen.group}/" if chosen.group else ""
    filters = [f"{share}{to_filter(topic)}" for topic in (*chosen.topics, *chosen.json_topics, *chosen.outage_topics)]
    filters += [f"{NAMESPACE}/{group}/#" for group in chosen.sparkplug_groups]
    if not chosen.tls and (chosen.ca_file or chosen.client_cert):
        raise ConfigError(
            "certificates are set, but the broker is reached without TLS",
            where="mqtt.tls",
            remedy="set mqtt.tls = true, and mqtt.port to the broker's port with TLS, mostly 8883",
        )
    return BrokerAddress(
        chosen.host,
        chosen.port,
        chosen.client_id,
        tuple(filters),
        chosen.username,
        _password(chosen.password_file),
        chosen.tls,
        chosen.ca_file,
        chosen.client_cert,
        chosen.client_key,
        chosen.session_s,
        chosen.in_flight,
    )


def _password(file: Path | None) -> str:
    """Return what stands in the file, else in the environment."""
    if file is None:
        return os.environ.get(PASSWORD_VARIABLE, "")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else "it is no text"
        raise ConfigError(
            f"the password cannot be read: {reason}",
            where=str(file),
            remedy=f"name a readable file in mqtt.password_file, or set {PASSWORD_VARIABLE}",
        ) from error


def tls_of(address: BrokerAddress) -> ssl.SSLContext:
    """Return the TLS that the address asks for; ConfigError where a file of certificates cannot be used."""
    context = _trusting(address.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if address.client_cert is None:
        return context
    try:
        context.load_cert_chain(address.client_cert, address.client_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"our certificate cannot be used: {_reason(error)}",
            where=f"{address.client_cert}, {address.client_key or 'no key'}",
            remedy="set mqtt.client_cert and mqtt.client_key to a PEM certificate and the key that belongs to it",
        ) from error
    return context


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the authority's certificate cannot be used: {_reason(error)}",
            where=str(ca_file),
            remedy="set mqtt.ca_file to a PEM file that this user may read",
        ) from error


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return (error.strerror or str(error)).lower()


def to_filter(pattern: str) -> str:
    """Return the MQTT topic filter of a pattern such as `gridwright/{usage_point}/{quantity}`."""
    return re.sub(r"\{\w+\}", "+", pattern)
