"""The triggers that a restore takes off are told by the server, and all of them, or none is taken off."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from gridwright.domain.errors import StoreLocked
from gridwright.store.backup import guards
from gridwright.store.backup.guards import SHOWN, SKIPPED, guards_of

ROW = {"Trigger": "kept", "Event": "DELETE", "Table": "audit_record", "Timing": "BEFORE", "Statement": "SIGNAL x"}
WARNING = ("Warning", SKIPPED, "Table 'x' was skipped since its definition is being modified by concurrent DDL")


class Answer(list[Any]):
    def mappings(self) -> Answer:
        return self

    def all(self) -> Answer:
        return self


class Server:
    """Answers that a table was left out, as a warning or as an error, so many times."""

    def __init__(self, left_out: int, *, fails: bool) -> None:
        self.left_out, self.fails = left_out, fails
        self.engine = self
        self.url = make_url("mysql://somewhere/town")

    def exec_driver_sql(self, statement: str) -> Answer:
        if statement == SHOWN:
            self.left_out -= 1
            if self.left_out >= 0 and self.fails:
                raise OperationalError(statement, (), Exception(SKIPPED, WARNING[2]))
            return Answer([ROW, ROW | {"Event": "UPDATE"}] if self.left_out < 0 else [])
        return Answer([WARNING] if self.left_out >= 0 else [])


@pytest.mark.parametrize("fails", [False, True])
def test_a_table_that_was_left_out_is_asked_for_again(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "PAUSE_S", 0)
    server: Any = Server(2, fails=fails)
    (guard,) = guards_of(server)
    assert guard.statement == "CREATE TRIGGER `kept` BEFORE DELETE ON `audit_record` FOR EACH ROW SIGNAL x"
    never: Any = Server(10_000, fails=fails)
    with pytest.raises(StoreLocked, match="changes the tables"):
        guards_of(never)
