"""Which cases of a test are left out on database servers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.few_on_servers import leave_out


class Item:
    """A case of a test; `few`: what it is marked with; `turns`: whether its file has the servers in turn."""

    def __init__(self, test: str, database: str, case: int, few: int | None, *, turns: bool = False) -> None:
        self.path, self._turns = "tests/a.py", turns
        self.nodeid = f"tests/a.py::{test}[{database}-{case}]"
        self.callspec = SimpleNamespace(params={"store": database, "case": case})
        self._mark = None if few is None else SimpleNamespace(args=(few,))

    def get_closest_marker(self, name: str) -> Any:  # noqa: ANN401 - a mark, as pytest gives it
        return self._mark if name == "few_on_servers" else self._turns or None


def left(few: int | None, *, turns: bool = False) -> tuple[list[str], list[str]]:
    """Return what stays of two tests with three cases on three databases, and what is told as deselected."""
    told: list[Any] = []

    def deselected(items: list[Any]) -> None:
        told.extend(items)

    config: Any = SimpleNamespace(hook=SimpleNamespace(pytest_deselected=deselected))
    items: list[Any] = [
        Item(test, database, case, few, turns=turns)
        for test in ("a", "b")
        for case in range(3)
        for database in ("sqlite", "postgres", "mysql")
    ]
    leave_out(config, items)
    return [item.nodeid.partition("::")[2] for item in items], [item.nodeid.partition("::")[2] for item in told]


def test_each_test_keeps_as_many_on_each_server_as_it_wants_and_all_on_sqlite() -> None:
    stay, told = left(1)
    assert stay[:5] == ["a[sqlite-0]", "a[postgres-0]", "a[mysql-0]", "a[sqlite-1]", "a[sqlite-2]"]
    assert stay[5:] == [name.replace("a[", "b[") for name in stay[:5]]
    assert sorted([*stay, *told]) == sorted(left(None)[0])
    assert len(left(2)[0]) == 2 * 7


def test_without_the_mark_all_stay() -> None:
    stay, told = left(None)
    assert (len(stay), told) == (18, [])


def test_of_a_file_with_servers_in_turn_each_test_runs_on_one_of_them() -> None:
    stay, told = left(None, turns=True)
    assert {name[:5] for name in stay} == {"a[sql", "a[pos", "b[sql", "b[mys"}
    assert (len(stay), len(told)) == (12, 6)
    few = "a[sqlite-0] a[postgres-0] a[sqlite-1] a[sqlite-2] b[sqlite-0] b[mysql-0] b[sqlite-1] b[sqlite-2]"
    assert left(1, turns=True)[0] == few.split()
