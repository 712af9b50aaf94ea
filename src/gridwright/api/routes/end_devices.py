"""End devices: how they are reached, and their commissioning."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gridwright.api.address import href
from gridwright.api.cursor import from_cursor, to_cursor
from gridwright.api.door import Staff
from gridwright.api.idempotency import OnceDone
from gridwright.api.listing import JSON, Page, cut, listed
from gridwright.api.order import order_job
from gridwright.api.parameters import CursorText, Id, Limit
from gridwright.api.problems import bad_parameter
from gridwright.api.shapes.field import CreatedDevice, DeviceNew, DeviceShape
from gridwright.api.shapes.work import JobShape
from gridwright.app.live import vault
from gridwright.domain.access import Act
from gridwright.domain.device import LinkState
from gridwright.drivers import profiles
from gridwright.jobs.field.add_device import NewDevice, add_device

router = APIRouter(prefix="/end-devices", tags=["End devices"])
LinkStateIf = Annotated[LinkState | None, Query(description="Only devices that came so far.")]


@router.get("", summary="List end devices", response_model=Page[DeviceShape])
def list_devices(
    request: Request, platform: Staff, state: LinkStateIf = None, limit: Limit = 100, cursor: CursorText = ""
) -> Response:
    """Return the devices that are reached by a driver, by serial number."""
    place = from_cursor("end-devices", cursor, ("",))
    after = str(place[0]) if place else ""
    links = sorted(platform.store.devices.links(platform.access, state), key=lambda each: each.serial)
    page, last = cut([each for each in links if each.serial > after], limit)
    return listed(request, [DeviceShape.of(each) for each in page], last and to_cursor("end-devices", (last.serial,)))


@router.post("", summary="Register an end device", status_code=HTTPStatus.CREATED, response_model=CreatedDevice)
def register_device(once: OnceDone, new: DeviceNew) -> Response:
    """Register how a device is reached, or change it; commissioning then finds out whether it is there."""
    platform = once.platform
    # A path would make the server read its own files: only profiles that have a name.
    if new.driver not in profiles():
        raise bad_parameter("body", "driver", f"there is no driver of this name; known: {', '.join(profiles())}")

    def work() -> CreatedDevice:
        zone = platform.settings.site.zone
        hangs = new.usage_point, new.multiplier, new.since
        device = NewDevice(new.serial, new.driver, new.address, *hangs, zone, platform.new_point)
        secret = None if new.password is None else new.password.encode()
        added = add_device(
            platform.store, platform.access, device, now=platform.clock(), secret=secret, seal=vault(platform).seal
        )
        return CreatedDevice.of(added.link, href=href("end-devices", new.serial))

    return once(HTTPStatus.CREATED, work)


@router.get("/{name}", summary="Show an end device", response_model=DeviceShape)
def show_device(platform: Staff, name: Id) -> Response:
    """Return one device by its serial number."""
    shape = DeviceShape.of(platform.store.devices.link(platform.access, name))
    return Response(shape.model_dump_json(), media_type=JSON)


@router.post(
    "/{name}/commission", summary="Commission an end device", status_code=HTTPStatus.ACCEPTED, response_model=JobShape
)
def commission(once: OnceDone, name: Id) -> Response:
    """Order commissioning: find the device, check its clock, read what it can do, take it into service."""
    platform = once.platform
    platform.access.require(Act.WRITE_REGISTRY)
    platform.store.devices.link(platform.access, name)
    return once(HTTPStatus.ACCEPTED, lambda: order_job(platform, "commission", {"serials": [name]}))
