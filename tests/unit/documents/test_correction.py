"""What a customer reads of a correction: both sides of each line, the difference, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from gridwright.documents.correction_pdf import correction_pdf, printed
from gridwright.documents.correction_text import correction_text
from gridwright.domain.bill import Bill, BillLine
from gridwright.domain.correction import (
    Correction,
    CorrectionState,
    DayChange,
    NoteKind,
    Reason,
    correction_key,
    differences,
    line_from_dict,
    line_to_dict,
)
from gridwright.domain.interval import local_month, zone_of

AT = datetime(2025, 5, 2, tzinfo=UTC)
MARCH = local_month(2025, 3, zone_of("Europe/Berlin"))
ENERGY = BillLine("energy", "Energy", Decimal("310.5"), "kWh", Decimal("0.30"), "EUR")
STANDING = BillLine("standing", "Standing charge", Decimal(1), "month", Decimal("11.50"), "EUR")
BILL = Bill("B-1", "k", "UP-1", MARCH, "Europe/Berlin", "flat@1", "EUR", (ENERGY, STANDING), "h", AT)
DAY = DayChange(date(2025, 3, 13), Decimal("20.5"), Decimal("10.0"), replaced=48)


def a_note(*lines: BillLine) -> Correction:
    now = replace(BILL, key="k2", lines=lines)
    reason = Reason((DAY,), ("anna: read from a photograph",))
    return Correction(
        "B-1-c1", correction_key("k", "k2"), "B-1", 7, "k", now, differences(BILL.lines, lines), AT, reason
    )


def test_one_estimate_is_told_as_one() -> None:
    assert Reason((replace(DAY, replaced=1),)).sentences() == [
        "1 estimated interval was replaced by what the meter measured."
    ]


def test_a_credit_note_tells_both_sides_and_why() -> None:
    note = a_note(replace(ENERGY, quantity=Decimal("300.0")), STANDING)
    assert (note.kind, note.total) == (NoteKind.CREDIT, Decimal("-3.15"))
    text = correction_text(replace(note, state=CorrectionState.ISSUED, number=4))
    for told in (
        "Credit note 4",
        "Correction of bill no. 7 (B-1)",
        "48 estimated intervals were replaced by what the meter measured.",
        "anna: read from a photograph",
        "13 March 2025: 10.0 kWh instead of 20.5 kWh (−10.5)",
        "billed: 310.5 kWh × 0.30 = 93.15 EUR",
        "now:    300.0 kWh × 0.30 = 90.00 EUR",
        "difference: −3.15 EUR",
        "To your credit: 3.15 EUR",
    ):
        assert told in text
    assert "Standing charge" not in text


def test_a_cancelled_note_says_that_nothing_is_due() -> None:
    for quantity, was in (
        ("300.0", "Cancelled; was to your credit: 3.15 EUR"),
        ("320.5", "Cancelled; was due in addition: 3.00 EUR"),
    ):
        note = replace(a_note(replace(ENERGY, quantity=Decimal(quantity)), STANDING), state=CorrectionState.CANCELLED)
        text = correction_text(replace(note, number=4))
        assert text.startswith(f"{str(note.kind).capitalize()} 4 (cancelled)\n")
        assert was in text
        paper = printed(replace(note, number=4), "")
        assert ("(cancelled)" in paper["title"], paper["heading"]) == (
            True,
            f"{str(note.kind).capitalize()} 4 (cancelled)",
        )
        assert paper["total_label"].startswith("Cancelled")
        assert correction_text(note).startswith(f"{str(note.kind).capitalize()} (cancelled)\n")


def test_a_line_that_only_one_side_has_is_a_difference_too() -> None:
    note = a_note(replace(ENERGY, quantity=Decimal("310.5")), STANDING, replace(ENERGY, charge="peak", text="Peak"))
    assert [line.differs for line in note.lines] == [False, False, True]
    assert (note.kind, note.total) == (NoteKind.DEBIT, Decimal("93.15"))
    gone = a_note(ENERGY)
    assert [(line.charge, line.difference) for line in gone.lines if line.differs] == [("standing", Decimal("-11.50"))]


def test_alike_lines_are_set_against_each_other_in_their_order() -> None:
    twice = (ENERGY, replace(ENERGY, price=Decimal("0.40")))
    lines = differences(twice, (ENERGY, replace(ENERGY, price=Decimal("0.50"))))
    assert [line.difference for line in lines] == [Decimal("0.00"), Decimal("31.05")]


def test_the_postings_of_the_difference_sum_to_zero() -> None:
    note = a_note(replace(ENERGY, quantity=Decimal("300.0")), replace(STANDING, ledger_account="grid"))
    assert sum(line.amount for line in note.postings(AT)) == 0
    assert {line.account: line.amount for line in note.postings(AT)}["receivable"] == note.total


def test_lines_come_back_from_json_as_they_were() -> None:
    for line in a_note(replace(ENERGY, quantity=Decimal("300.0"))).lines:
        assert line_from_dict(line_to_dict(line)) == line


def test_the_pdf_is_the_same_bytes_for_the_same_note() -> None:
    note = a_note(replace(ENERGY, quantity=Decimal("300.0")), STANDING)
    made = correction_pdf(note, name="Anna Alder")
    assert made.startswith(b"%PDF")
    assert made == correction_pdf(note, name="Anna Alder")
    assert printed(note, "")["billed_total"] == "104.65"
