"""What is refused before a device is on record."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import InputError
from gridwright.jobs.field.add_device import NewDevice, add_device
from gridwright.store import open_store

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize("factor", ["NaN", "sNaN", "Infinity", "0", "-3", "1e400"])
def test_what_is_no_transformer_factor_is_refused(factor: str) -> None:
    device = NewDevice("M-1", "generic-relay", "tcp://127.0.0.1:4059/M-1", "UP-1", Decimal(factor))
    with open_store("sqlite://") as store:
        with pytest.raises(InputError, match="is no transformer factor"):
            add_device(store, LOCAL_OWNER, device, now=NOW)
        assert store.devices.links(LOCAL_OWNER) == ()
