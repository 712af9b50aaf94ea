"""Add a device: how it is called, where it hangs since when, and its password, sealed; commissioning comes after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gridwright.domain.access import Access, Act
from gridwright.domain.device import DeviceLink
from gridwright.domain.errors import Conflict, InputError, NotFound
from gridwright.domain.usage_point import Meter, UsagePoint, check_addressable, install
from gridwright.drivers import parse_address, profile_of
from gridwright.jobs.meters.claim_meter import register
from gridwright.jobs.meters.claimed_place import require_free
from gridwright.store import Store

# The largest that current and voltage transformers come to together.
LARGEST_FACTOR = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device as it is announced; `usage_point` empty: its readings wait in quarantine.

    `zone`: of a new point; `new_point`: what one begins as, by its name and zone.
    """

    serial: str
    driver: str
    address: str
    usage_point: str = ""
    multiplier: Decimal = Decimal(1)
    since: datetime | None = None
    zone: str = "UTC"
    new_point: Callable[[str, str], UsagePoint] = UsagePoint


@dataclass(frozen=True, slots=True)
class AddedDevice:
    """The link as it is kept; `new_point` tells that the usage point was not known before."""

    link: DeviceLink
    new: bool
    new_point: bool


def add_device(
    store: Store,
    access: Access,
    device: NewDevice,
    *,
    now: datetime,
    secret: bytes | None = None,
    seal: Callable[[bytes], bytes] | None = None,
) -> AddedDevice:
    """Register a device, all or nothing; the same again changes nothing, a new driver or address is taken over.

    A changed address begins the commissioning anew: nobody knows yet who answers there.
    """
    access.require(Act.WRITE_REGISTRY, device.usage_point or None)
    _check(device)
    with store.transaction():
        new_point = _install(store, access, device, now)
        before = _link(store, access, device.serial)
        link = DeviceLink(device.serial, device.driver, device.address)
        if before is not None and (before.driver, before.address) == (link.driver, link.address):
            link = before
        new = store.devices.save_link(access, link)
        if secret is not None and seal is not None:
            store.sealed.hold(access)
            store.devices.set_secret(access, device.serial, seal(secret))
    return AddedDevice(link, new, new_point)


def _check(device: NewDevice) -> None:
    profile_of(device.driver)
    check_addressable(device.serial)
    called = parse_address(device.address).serial
    if called and called != device.serial:
        raise InputError(
            f"the address calls {called!r}, not {device.serial!r}", remedy="correct the address or the serial number"
        )
    if not (device.multiplier.is_finite() and 0 < device.multiplier <= LARGEST_FACTOR):
        raise InputError(
            f"multiplier {device.multiplier} is no transformer factor",
            remedy=f"give a number above 0, up to {LARGEST_FACTOR:,}",
        )


def _install(store: Store, access: Access, device: NewDevice, now: datetime) -> bool:
    if not device.usage_point:
        return False
    new_point = not _is_known(store, access, device.usage_point)
    if new_point:
        store.registry.save_points(access, [device.new_point(device.usage_point, device.zone)])
    register(store, access, Meter(device.serial))
    here = [each for each in store.registry.installations(access, device.usage_point) if each.is_open]
    if any(each.end_device == device.serial and each.multiplier == device.multiplier for each in here):
        return new_point
    if here:
        raise Conflict(
            f"meter {here[0].end_device} hangs at {device.usage_point} with factor {here[0].multiplier}",
            remedy="record the exchange of the meter first",
        )
    since = (device.since or now).replace(microsecond=0)
    new = install(device.usage_point, device.serial, since, device.multiplier)
    require_free(store, access, new)
    store.registry.save_installation(access, new)
    return new_point


def _is_known(store: Store, access: Access, point: str) -> bool:
    try:
        store.registry.point(access, point)
    except NotFound:
        return False
    return True


def _link(store: Store, access: Access, serial: str) -> DeviceLink | None:
    try:
        return store.devices.link(access, serial)
    except NotFound:
        return None
