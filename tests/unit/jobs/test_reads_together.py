"""Reads of one register in two resolutions are one series of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gridwright.domain.reading_type import DELIVERED_REGISTER, RECEIVED_REGISTER, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.jobs.load.reads_together import reads_together

START, HOUR = datetime(2025, 1, 6, tzinfo=UTC), timedelta(hours=1)
FINE = DELIVERED_REGISTER.finer(-3)


def read(hour: int, value: float, kind: ReadingType = DELIVERED_REGISTER, epoch: int = 0) -> RegisterReading:
    return RegisterReading("H", START + hour * HOUR, value, "A", epoch, reading_type=kind)


def test_reads_are_counted_alike_and_the_finer_of_one_instant_stays() -> None:
    coarse, fine = [read(0, 10.0), read(1, 11.0)], [read(1, 11_300.0, FINE), read(2, 12_500.0, FINE)]
    received = [read(0, 1.0, RECEIVED_REGISTER)]
    found = reads_together({DELIVERED_REGISTER: coarse, FINE: fine, RECEIVED_REGISTER: received})
    assert found == [read(0, 10_000.0, FINE), *fine, *received]


def test_reads_in_one_resolution_stay_as_they_are() -> None:
    reads = [read(1, 3.0), read(0, 2.0, epoch=1)]
    assert reads_together({DELIVERED_REGISTER: reads, FINE: []}) == reads


def test_of_reads_in_other_epochs_the_longer_series_is_taken() -> None:
    coarse, fine = [read(0, 10.0, epoch=1), read(1, 11.0, epoch=1)], [read(2, 12_500.0, FINE)]
    assert reads_together({FINE: fine, DELIVERED_REGISTER: coarse}) == coarse
