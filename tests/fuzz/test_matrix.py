"""Every entrance under every attack: taken, refused with a reason or explained; never a crash, a hang or a silent loss.

The law of the matrix: what a plain reader still sees of a changed input is among what was taken and what was refused.
"""

from __future__ import annotations

import math
import pkgutil

import msgspec
import pytest

import gridwright.protocols
from gridwright.api.answer import Refused
from gridwright.api.entrance import TYPES
from gridwright.api.entrance_lines import V1, V2
from gridwright.api.ingest.form import TAKEN
from gridwright.formats.registry import READERS
from gridwright.settings import MqttSettings
from tests.fuzz.attacks import ATTACKS, MARKUP, inputs
from tests.fuzz.entrances import ENTRANCES, REFUSALS, Entrance

# What is not in the registries of the product, yet takes readings.
OTHERS = {"container zip", "container gzip", f"address {V1}", f"address {V2}", "address /v1/edges/{edge}/batches"}
CELLS = [
    pytest.param(entrance, attack, id=f"{entrance.name}-{name}")
    for entrance in ENTRANCES
    for name, attack in {**ATTACKS, **(MARKUP if entrance.markup else {})}.items()
]
LONGEST_REASON = 2_000


def test_the_matrix_has_every_entrance() -> None:
    """A format, a content type, an MQTT setting or a protocol that is new must get its row."""
    topics = {name for name in MqttSettings.model_fields if name.endswith(("topics", "_groups"))}
    protocols = {module.name for module in pkgutil.iter_modules(gridwright.protocols.__path__)} - {"sparkplug"}
    expected = {f"format {reader.name}" for reader in READERS} | {f"body {kind}" for kind in TYPES.values()}
    expected |= {f"form {media}" for media in TAKEN} | {f"mqtt {name}" for name in topics}
    expected |= {f"protocol {name}" for name in protocols}
    assert {entrance.covers for entrance in ENTRANCES} == expected | OTHERS


@pytest.mark.parametrize("entrance", ENTRANCES, ids=lambda entrance: entrance.name)
def test_the_samples_are_whole(entrance: Entrance) -> None:
    """A sound input is taken to the last reading, without a word."""
    outcome = entrance.take(entrance.sample.data)
    assert (outcome.refused, outcome.said, outcome.empty) == (0, (), 0)
    assert outcome.taken == (entrance.seen(entrance.sample.data) or entrance.blind)


@pytest.mark.parametrize(("entrance", "attack"), CELLS)
def test_under_attack(entrance: Entrance, attack: object) -> None:
    for data in inputs(attack, entrance.sample):  # type: ignore[arg-type]
        told = told_of(entrance, data)
        assert told == "", f"{told}: {data[:200]!r} … {len(data)} bytes"


def told_of(entrance: Entrance, data: bytes) -> str:
    """Return what is wrong with how an input was taken, empty where nothing is."""
    try:
        outcome = entrance.take(data)
    except REFUSALS as refusal:
        return "" if len(reason_of(refusal)) > len("it is bad") else "a refusal without a reason"
    if not all(math.isfinite(value) or math.isnan(value) for value in outcome.values):
        return "a value that is not finite was taken"
    if any(len(said) > LONGEST_REASON for said in outcome.said):
        return "a reason as long as a book"
    accounted = outcome.taken + outcome.empty + outcome.refused * entrance.per_record
    seen = entrance.seen(data)
    return f"{seen} readings are seen, {accounted} accounted for, said {outcome.said[:3]}" if accounted < seen else ""


def reason_of(refusal: Exception) -> str:
    """Return the sentence of a refusal."""
    if isinstance(refusal, Refused):
        return str(msgspec.json.decode(refusal.answer.body, type=dict[str, object]).get("detail", ""))
    return str(refusal)
