"""A meter that cannot be reached: why nothing has been sent yet is said once, with the control."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gridwright.control import ControlPolicy
from gridwright.control.carry_out import Ports, carry_out
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.domain.errors import DeviceSilent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gridwright.drivers.driver import Session

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


ANSWERING: list[Session] = []


@asynccontextmanager
async def silent() -> AsyncIterator[Session]:
    if not ANSWERING:
        raise DeviceSilent("no answer within 5 s")
    yield ANSWERING[0]


def test_a_silent_meter_leaves_its_reason_once() -> None:
    told: list[str] = []
    ports = Ports(
        record=lambda _before, _after, detail: told.append(detail),
        recheck=lambda _: None,
        connect=silent,
        sent=lambda _: NOW,
        clock=lambda: NOW,
    )
    expires = NOW + timedelta(hours=1)
    control = EndDeviceControl(
        "C-1", "M-1", Command.DISCONNECT, "moved out", "ann", expires, "bob", ControlState.APPROVED, requested=NOW
    )
    for _ in range(3):
        control = asyncio.run(carry_out(control, ports, ControlPolicy()))
    assert control.state in (ControlState.APPROVED, ControlState.ARMED)
    assert control.evidence == "not reached yet: no answer within 5 s"
    assert [detail for detail in told if "not reached" in detail] == [control.evidence]
