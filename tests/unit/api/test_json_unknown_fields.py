from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest

from gridwright.api.ingest.json import decode_json, decode_ndjson
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.table import Decoded

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
AT = b'"usage_point": "UP-1", "start": "2026-11-24T00:00:00Z", "interval_s": 900'
GOOD = b'{%b, "kwh": 1}' % AT
HELP = "give kwh, register_kwh, or value with unit"


def one(records: list[bytes]) -> Decoded:
    (record,) = records
    return decode_json(record, Said(), NOW)


def several(records: list[bytes]) -> Decoded:
    return decode_json(b"[%b]" % b",".join(records), Said(), NOW)


def enveloped(records: list[bytes]) -> Decoded:
    return decode_json(b'{"readings": [%b]}' % b",".join(records), Said(), NOW)


def beside_a_broken_one(records: list[bytes]) -> Decoded:
    return decode_json(b"[%b, {]" % b",".join(records), Said(), NOW)


def lines(records: list[bytes]) -> Decoded:
    return decode_ndjson(b"\n\n".join(records), Said(), NOW)


def told(decoded: Decoded, index: int) -> tuple[str, str, str, str]:
    verdict = next(each for each in decoded.verdicts.listed if each.index == index)
    return verdict.fault.field, verdict.value, verdict.fault.reason, verdict.fault.remedy


@pytest.mark.parametrize("way", [several, enveloped, beside_a_broken_one, lines])
def test_a_record_whose_value_is_under_a_name_that_nobody_knows_names_it(
    way: Callable[[list[bytes]], Decoded],
) -> None:
    decoded = way([GOOD, b'{%b, "site": "roof", "energy_kwh": 0.25}' % AT, GOOD.replace(b"UP-1", b"UP-2")])
    assert decoded.verdicts.accepted == 2
    assert told(decoded, 1) == ("energy_kwh", "0.25", "there is no value, and no field has this name", HELP)


def test_of_one_record_too() -> None:
    assert told(one([b'{%b, "energy_kwh": "0,25"}' % AT]), 0)[:2] == ("energy_kwh", "0,25")


@pytest.mark.parametrize("more", [b"", b', "kwh": null, "site": 7', b', "value": null, "x": 1'])
def test_who_leaves_the_value_out_is_told_that(more: bytes) -> None:
    assert told(one([b"{%b%b}" % (AT, more)]), 0) == ("kwh", "", "there is no value", HELP)


@pytest.mark.parametrize("odd", [b'"x": "\xff"', b'"%b": 1' % (b"n" * 5000), b'"x": %b1%b' % (b"[" * 900, b"]" * 900)])
def test_whatever_the_name_and_what_is_there_it_is_a_short_verdict(odd: bytes) -> None:
    decoded = several([GOOD, b"{%b, %b}" % (AT, odd)])
    assert decoded.verdicts.rejected == 1
    assert len(msgspec.json.encode(decoded.verdicts.listed[0].to_dict())) < 1000
