"""Why the broker cannot be had: what OpenSSL, the socket or the broker says, as an error that names the remedy."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gridwright.domain.errors import ConfigError, GridwrightError

if TYPE_CHECKING:
    from gridwright.listen.address import BrokerAddress

TAKEN_OVER = "Session taken over"
# What no waiting mends, by the broker's own word.
LASTING = {
    "Unsupported protocol version": "use a broker that speaks MQTT 5",
    "Client identifier not valid": "set another mqtt.client_id",
    "Bad user name or password": "check mqtt.username and its password (mqtt.password_file, GRIDWRIGHT_MQTT_PASSWORD)",
    "Not authorized": "check mqtt.username, its password and its rights at the broker",
    "Bad authentication method": "let the broker take a user name and a password, or a client certificate",
    "Banned": "ask whoever keeps the broker",
}
# Numbers of OpenSSL's X509_verify_cert_error_string.
EXPIRED, NOT_YET, OTHER_NAMES = 10, 9, {62, 64}
# The broker's alerts, as they stand in OpenSSL's reasons.
ALERTS = {
    "CERTIFICATE_REQUIRED": ("the broker wants a client certificate", "set mqtt.client_cert and mqtt.client_key"),
    "HANDSHAKE_FAILURE": ("the broker breaks the handshake off", "it may want a client certificate: mqtt.client_cert"),
    "UNKNOWN_CA": (
        "the broker does not know the authority of our certificate",
        "set mqtt.client_cert to one of an authority that the broker trusts (its cafile)",
    ),
    "CERTIFICATE_EXPIRED": ("our certificate has expired", "renew the certificate in mqtt.client_cert"),
    "CERTIFICATE_REVOKED": ("our certificate was revoked", "renew the certificate in mqtt.client_cert"),
    "BAD_CERTIFICATE": ("the broker does not take our certificate", "check mqtt.client_cert, and the broker's log"),
    "WRONG_VERSION_NUMBER": (
        "there is no TLS at this port",
        "name the broker's port with TLS (mqtt.port, mostly 8883), or set mqtt.tls = false",
    ),
    "UNSUPPORTED_PROTOCOL": ("the broker speaks no TLS from 1.2 on", "let the broker speak TLS 1.2 or 1.3"),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error, and whether it lasts until somebody changes something."""

    error: GridwrightError
    lasts: bool
    taken_over: bool = False

    def ends(self, *, ever: bool) -> bool:
        """Tell whether the listener should end; one that was `ever` connected goes on trying, for it was right once.

        One whose session another client has taken does not: the two would throw each other out for ever.
        """
        return self.taken_over or (self.lasts and not ever)


def of_exception(error: BaseException | None, address: BrokerAddress) -> Trouble:
    """Say why no connection came about."""
    place = place_of(address)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Trouble(_certificate(error, address), lasts=True)
    if isinstance(error, ssl.SSLError):
        return of_log(str(error), address) or _away(str(error), place)
    if isinstance(error, socket.gaierror):
        return Trouble(
            ConfigError("nobody knows this host", where=place, remedy="check mqtt.host and the name server"),
            lasts=False,
        )
    if isinstance(error, ConnectionResetError) and address.tls:
        reason, remedy = ALERTS["HANDSHAKE_FAILURE"][0], "see whether it speaks TLS at this port, and its log"
        return Trouble(ConfigError(reason, where=place, remedy=remedy), lasts=False)
    return _away(str(getattr(error, "strerror", None) or error).lower(), place)


def _certificate(error: ssl.SSLCertVerificationError, address: BrokerAddress) -> GridwrightError:
    place = place_of(address)
    if error.verify_code == EXPIRED:
        return ConfigError("the broker's certificate has expired", where=place, remedy="renew it at the broker")
    if error.verify_code == NOT_YET:
        reason = "the broker's certificate is not valid yet"
        return ConfigError(reason, where=place, remedy="see whether the clocks of both machines are right")
    if error.verify_code in OTHER_NAMES:
        reason = f"the broker's certificate is for another name than {address.host!r}"
        return ConfigError(reason, where=place, remedy="set mqtt.host to a name that stands in the certificate")
    trusted = "the system's authorities" if address.ca_file is None else f"{address.ca_file}"
    return ConfigError(
        f"the broker's certificate is not from {trusted}: {error.verify_message}",
        where=place,
        remedy="set mqtt.ca_file to the certificate (PEM) of the authority that signed the broker's",
    )


def of_log(text: str, address: BrokerAddress) -> Trouble | None:
    """Find the broker's alert in what OpenSSL says; None where there is none."""
    found = next((told for alert, told in ALERTS.items() if alert in text.upper().replace(" ", "_")), None)
    if found is None:
        return None
    return Trouble(ConfigError(found[0], where=place_of(address), remedy=found[1]), lasts=True)


def of_refusal(reason: str, address: BrokerAddress) -> Trouble:
    """Say what the broker's refusal of a connection means."""
    remedy = LASTING.get(reason)
    error = ConfigError(
        f"the broker refuses us: {reason}", where=place_of(address), remedy=remedy or "see the broker's log"
    )
    return Trouble(error, lasts=remedy is not None)


def of_subscription(refused: list[tuple[str, str]], address: BrokerAddress) -> Trouble:
    """Say which subscriptions the broker does not allow."""
    told = ", ".join(f"{name} ({reason})" for name, reason in refused[:3])
    error = ConfigError(
        f"the broker does not let us subscribe to {told}",
        where=place_of(address),
        remedy="give mqtt.username the right to read these topics, or leave them out of mqtt.topics",
    )
    return Trouble(error, lasts=True)


def of_end(reason: str, log: str, address: BrokerAddress, *, met: bool) -> Trouble:
    """Say why a connection ended; `met`: the broker had answered before."""
    if reason == TAKEN_OVER:
        error = ConfigError(
            f"another client came to the broker as {address.identifier!r}",
            where=place_of(address),
            remedy="give each listener a mqtt.client_id of its own",
        )
        return Trouble(error, lasts=True, taken_over=True)
    alert = of_log(log, address)
    if alert is not None:
        return alert
    if met:
        return _away(reason, place_of(address))
    remedy = "it may speak TLS at this port: mqtt.tls = true" if not address.tls else "see the broker's log"
    error = ConfigError("the broker ends the connection without an answer", where=place_of(address), remedy=remedy)
    return Trouble(error, lasts=False)


def _away(reason: str, place: str) -> Trouble:
    error = GridwrightError(f"the broker cannot be reached: {reason}", where=place, remedy="it is tried again")
    return Trouble(error, lasts=False)


def place_of(address: BrokerAddress) -> str:
    """Return host and port."""
    return f"{address.host}:{address.port}"
