"""One act after another on everything the store keeps: the audit chain holds, and secrets stay unseen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.domain.device import DeviceLink, ReadSession
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.identity import User
from gridwright.domain.interval import Interval
from gridwright.domain.job import Job
from gridwright.domain.program import Event, Performance, Program
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.topology import Connection, Node, NodeKind
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.store import Store, StoredAnswer
from gridwright.store.schema import metadata

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
PERIOD = Interval(NOW, NOW + timedelta(hours=1))
BOB = Access("bob", Role.OPERATOR)
WORD = "correct horse battery"


def live(store: Store) -> list[str]:
    """Do one of everything and return the secrets that came of it."""
    identities = store.identities
    secrets = [str(identities.bootstrap(NOW))]
    identities.save_user(ME, User("bob", Role.OPERATOR))
    identities.set_password(ME, "bob", WORD)
    key, token = identities.create_key(ME, "bob", label="desk")
    secrets += [token, identities.sign_in("bob", WORD, NOW), identities.sign_in_by_key(token, NOW), WORD]
    identities.revoke_key(ME, key.id)
    store.registry.save_points(ME, [UsagePoint("UP-1")])
    store.registry.save_meters(ME, [Meter("M-1")])
    store.registry.save_installations(ME, [install("UP-1", "M-1", NOW)])
    store.quarantine.save(ME, [QuarantinedReading("M-9", NOW, 1.0)], received=NOW)
    store.quarantine.claim(ME, "M-9")
    store.devices.save_link(ME, DeviceLink("M-1", "iec62056-21", "tcp://127.0.0.1:1/M-1"))
    store.devices.set_secret(ME, "M-1", b"sealed")
    store.devices.save_events(ME, [EndDeviceEvent("M-1", "3.26.0.216", NOW, NOW, "UP-1")])
    store.devices.note_session(ME, ReadSession("M-1", NOW, NOW, 4))
    control = EndDeviceControl("C-1", "M-1", Command.DISCONNECT, "debt", "local", PERIOD.end, usage_point="UP-1")
    store.controls.add(ME, control)
    approved = control.to(ControlState.APPROVED, now=NOW, approved_by="bob")
    store.controls.advance(BOB, control, approved, now=NOW)
    store.jobs.add(ME, Job("J-1", "bill-run", "bob", NOW))
    store.jobs.claim(ME, ["bill-run"], NOW)
    store.programs.save_program(ME, Program("P-1", "Evening", "EUR", Decimal("0.5")))
    store.programs.save_event(ME, Event("E-1", "P-1", PERIOD, ("UP-1",)))
    store.programs.save_performances(
        ME, "E-1", [Performance("E-1", "UP-1", Decimal(2), Decimal(1), Decimal("0.50"), "EUR")]
    )
    store.network.save_nodes(ME, [Node("T-1", NodeKind.TRANSFORMER)])
    store.network.connect(ME, [Connection("UP-1", "T-1", PERIOD)])
    store.outlooks.save(ME, "forecast", "UP-1", {"kw": [1.5]}, issued=NOW)
    store.answers.remember(ME, "k", "d", StoredAnswer(200, b"{}", "application/json"), now=NOW)
    return secrets


def rows(store: Store) -> dict[str, str]:
    """Everything that is stored, by table."""
    with store._engine.connect() as connection:
        return {name: repr(connection.execute(select(table)).all()) for name, table in metadata.tables.items()}


def test_the_chain_holds_and_no_secret_is_seen(store: Store) -> None:
    secrets = live(store)
    records = store.audit.records(ME)
    assert store.audit.verify(ME) == len(records)
    assert {record.actor for record in records} == {"local", "bob"}
    kept = rows(store)
    for secret in secrets:
        # A token's random part may hold "_" itself: a tail of one letter after it stands everywhere by chance.
        hidden = secret if secret == WORD else secret[-20:]
        assert [name for name, content in kept.items() if hidden in content] == []
        assert hidden not in repr(store.identities) + repr(store.identities.keys(ME)) + repr(records)


def test_a_transaction_that_fails_leaves_nothing_of_it(store: Store) -> None:
    def live_and_break() -> None:
        with store.transaction():
            live(store)
            raise RuntimeError("after all of it")

    before = rows(store)
    with pytest.raises(RuntimeError):
        live_and_break()
    assert rows(store) == before
    assert store.audit.verify(ME) == 0
    live(store)
    assert store.audit.verify(ME) == len(store.audit.records(ME))


def test_the_same_again_adds_no_record(store: Store) -> None:
    live(store)
    store.quarantine.save(ME, [QuarantinedReading("M-8", NOW, 1.0)], received=NOW)
    many = len(store.audit.records(ME))
    store.registry.save_meters(ME, [Meter("M-1")])
    store.registry.save_installations(ME, [install("UP-1", "M-1", NOW)])
    store.quarantine.save(ME, [QuarantinedReading("M-8", NOW, 1.0)], received=NOW)
    store.devices.set_secret(ME, "M-1", b"sealed")
    store.devices.save_events(ME, [EndDeviceEvent("M-1", "3.26.0.216", NOW, NOW, "UP-1")])
    store.programs.save_program(ME, Program("P-1", "Evening", "EUR", Decimal("0.5")))
    store.programs.save_event(ME, Event("E-1", "P-1", PERIOD, ("UP-1",)))
    store.network.connect(ME, [Connection("UP-1", "T-1", PERIOD)])
    store.outlooks.save(ME, "forecast", "UP-1", {"kw": [1.5]}, issued=NOW)
    job = store.jobs.job(ME, "J-1")
    store.jobs.save(ME, replace(job, done=1, total=2))
    assert len(store.audit.records(ME)) == many
