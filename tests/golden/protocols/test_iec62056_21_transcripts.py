"""Sessions printed in a real meter's manual, byte for byte."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gridwright.protocols.iec62056_21 import Answered, ClientSession, Command, Event, short

CASES = sorted(path for path in Path(__file__).parent.iterdir() if (path / "transcript.txt").exists())
CONTROL = {"SOH": b"\x01", "STX": b"\x02", "ETX": b"\x03", "ACK": b"\x06", "CR": b"\r", "LF": b"\n"}


def turns(text: str) -> list[tuple[str, bytes]]:
    """Join the lines of each side, control characters put in."""
    joined: list[tuple[str, bytes]] = []
    for line in text.splitlines():
        side, said = line[0], line[2:]
        parts = re.split("<(SOH|STX|ETX|ACK|CR|LF)>", said)
        data = b"".join(CONTROL[part] if at % 2 else part.encode() for at, part in enumerate(parts))
        if joined and joined[-1][0] == side:
            joined[-1] = (side, joined[-1][1] + data)
        else:
            joined.append((side, data))
    return joined


def act(session: ClientSession, name: str) -> None:
    if name[0] in "PRW":
        session.command(Command(name[0], name[1], name[2:]))
    else:
        getattr(session, name)()


@pytest.fixture(params=CASES, ids=lambda path: path.name)
def case(request: pytest.FixtureRequest) -> tuple[list[tuple[str, bytes]], dict[str, Any]]:
    folder: Path = request.param
    return turns((folder / "transcript.txt").read_text("ascii")), json.loads((folder / "expected.json").read_text())


def test_the_session_goes_as_printed(case: tuple[list[tuple[str, bytes]], dict[str, Any]]) -> None:
    conversation, expected = case
    session, events, acts = ClientSession(), list[Event](), iter(expected["acts"])
    for side, data in conversation:
        if side == ">":
            act(session, next(acts))
            assert session.to_send() == data
        else:
            events += session.receive(data)
    assert [type(event).__name__ for event in events] == expected["events"]
    answered = [event for event in events if isinstance(event, Answered)]
    found = {short(one.address): [one.value, one.unit] for event in answered for line in event.lines for one in line}
    assert {address: found[address] for address in expected["values"]} == expected["values"]
