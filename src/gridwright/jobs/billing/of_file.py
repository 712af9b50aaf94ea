"""Bills of a file: nobody owes them, and each says so, with what would withhold it if its readings were stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from shlex import quote

from gridwright.billing.gate import obstacles_to
from gridwright.domain.bill import Bill
from gridwright.domain.finding import Finding
from gridwright.domain.obstacle import BillGate, Withheld
from gridwright.domain.reading_type import Quantity

NOT_KEPT = "Made of a file: not issued, and nobody owes it."


def bill_of_file(gate: BillGate, bill: Bill, findings: Iterable[Finding], file: Path) -> tuple[Bill, list[Withheld]]:
    """Return a bill that says what it is, and what would withhold it; one at an example rate says so already.

    `findings`: those of its usage point, of which those about its energy count.
    """
    if bill.example:
        return bill, []
    energy = [(0, each) for each in findings if each.reading_type.quantity is Quantity.ENERGY]
    resolve = f"gridwright reading import {quote(str(file))}, and resolve it in the store"
    found = [replace(each, finding=None, resolve=resolve) for each in obstacles_to(gate, bill, energy)]
    told = replace(bill, notes=(*bill.notes, NOT_KEPT, *(f"In doubt: {each}" for each in found)))
    return told, [Withheld(bill.usage_point, bill.period, bill.zone, tuple(found))] if found else []
