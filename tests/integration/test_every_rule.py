"""Every rule of the catalogue is fed by the product: a fault that comes in by an entrance ends on the work list."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gridwright.vee.rules.catalogue import RULES
from tests.integration.every_rule import SEEDS, Seeded, seeded


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    with seeded(tmp_path_factory.mktemp("town")) as there:
        yield there


@pytest.fixture(scope="module")
def listed(town: Seeded) -> set[tuple[str, str]]:
    """Rule and usage point of every open finding, as the work list shows them."""
    return {(each["code"], each["usage_point"]) for each in town.findings()}


def test_every_rule_of_the_catalogue_is_tried() -> None:
    assert set(SEEDS) == set(RULES)


@pytest.mark.parametrize("code", sorted(RULES))
def test_a_fault_that_comes_in_by_an_entrance_ends_on_the_work_list(code: str, listed: set[tuple[str, str]]) -> None:
    assert (code, code) in listed, f"{code} is silent; at its usage point: {[c for c, p in listed if p == code]}"


def test_judged_again_nothing_changes(town: Seeded, listed: set[tuple[str, str]]) -> None:
    assert listed
    before = town.findings()
    town.judge()
    assert town.findings() == before
