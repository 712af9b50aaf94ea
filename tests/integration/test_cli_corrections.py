"""From a late reading to a credit note on the command line, and what was known before it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import open_store
from tests.integration.command_line import Run
from tests.integration.test_cascade import FLAT
from tests.integration.test_cli import document, run

__all__ = ["run"]
START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def save(day: int, factor: float) -> None:
    """Save one day of March, or all of it, as another process would."""
    hours = np.arange(31 * 24)
    values = np.rint(400 * factor + 150 * np.sin(2 * np.pi * hours / 24) + 20 * np.sin(hours * 1.7))[None, :]
    panel = Panel(("UP-1",), START, HOUR, values)
    with open_store("gridwright.db") as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1", "UTC", capacity_kw=17.0)])
        some = panel if not day else panel.slice((day - 1) * 24, day * 24)
        store.readings.save(LOCAL_OWNER, some, known_at=datetime.now(UTC))


def test_a_late_day_becomes_a_credit_note_once(run: Run) -> None:
    Path("rate_cards").mkdir()
    Path("rate_cards/flat.toml").write_text(FLAT, encoding="utf-8")
    save(0, 1.0)
    (made,) = document(run, "bill", "run", "--tariff", "flat", "--period", "2025-03")["bills"]
    run("bill", "issue", made["id"])
    save(13, 0.5)
    done = document(run, "bill", "correct")
    (note,) = done["corrections"]
    assert (done["bills"]["new"], note["kind"], note["state"]) == (1, "credit note", "draft")
    assert [day["day"] for day in note["reason"]["days"]] == ["2025-03-13"]
    again = document(run, "bill", "correct")
    assert (again["readings"]["ranges"], again["bills"]["changes"], again["corrections"]) == (0, 0, [])
    assert [each["id"] for each in document(run, "bill", "corrections", "list", "--state", "draft")] == [note["id"]]
    shown = document(run, "bill", "corrections", "show", note["id"], "--pdf", "note.pdf")
    assert shown["lines"] == note["lines"]
    assert Path("note.pdf").read_bytes().startswith(b"%PDF")
    assert "To your credit" in run("bill", "corrections", "show", note["id"])[1]
    (issued,) = document(run, "bill", "corrections", "issue", note["id"])["issued"]
    assert issued == {"id": note["id"], "kind": "credit note", "number": 1}
    bill = document(run, "bill", "show", made["id"])
    assert float(bill["total_corrected"]) == float(made["total"]) + float(note["total"])
    before = made["known_at"]
    assert document(run, "bill", "show", made["id"], "--as-of", before)["corrections"] == []
    now, then = (
        document(run, "usage-point", "totals", "UP-1", "--period", "2025-03-13", *more)[0]["kwh"]
        for more in ((), ("--as-of", before))
    )
    assert now < then
    assert document(run, "bill", "corrections", "cancel", note["id"]) == {"cancelled": {note["id"]: True}}
    assert document(run, "bill", "show", made["id"])["total_corrected"] == made["total"]


def test_a_difference_that_comes_again_is_billed_again_by_whoever_holds_the_key(run: Run) -> None:
    Path("rate_cards").mkdir()
    Path("rate_cards/flat.toml").write_text(FLAT, encoding="utf-8")
    save(0, 1.0)
    key = document(run, "key", "create", "carla", "--role", "biller")["key"]
    (made,) = document(run, "bill", "run", "--tariff", "flat", "--period", "2025-03")["bills"]
    run("bill", "issue", made["id"], "--key", key)
    save(13, 0.5)
    (first,) = document(run, "bill", "correct")["corrections"]
    assert run("bill", "corrections", "cancel", first["id"], "--key", key)[0] == 0
    code, _, err = run("bill", "corrections", "issue", first["id"], "--key", key)
    assert (code, "makes it anew" in err) == (1, True)
    (note,) = document(run, "bill", "correct")["corrections"]
    assert (note["id"], note["total"], note["state"]) == (f"{first['id']}-2", first["total"], "draft")
    assert run("bill", "corrections", "issue", note["id"], "--key", key)[0] == 0
    assert run("bill", "corrections", "cancel", note["id"], "--key", key)[0] == 0
    shown = run("bill", "show", made["id"])[1]
    assert "Credit note 1 (cancelled)" in shown
    assert "Cancelled; was to your credit" in shown
    # A bill that was taken back is billed again, under an id that can be issued.
    assert run("bill", "cancel", made["id"], "--key", key)[0] == 0
    assert ", cancelled" in run("bill", "show", made["id"])[1]
    (again,) = document(run, "bill", "run", "--tariff", "flat", "--period", "2025-03")["bills"]
    assert document(run, "bill", "issue", again["id"])["issued"] == {again["id"]: 2}
    # Days of an issued month are no draft: it is said which bill stands there.
    code, _, err = run("bill", "run", "--tariff", "flat", "--period", "2025-03-12/2025-03-13")
    assert (code, f"bill {again['id']} is issued" in " ".join(err.split()), "Drafts kept" in err) == (1, True, False)
    _, _, err = run("bill", "run", "--tariff", "flat", "--period", "2025-03")
    assert ("No draft, because a bill is issued already: 1." in err, "Drafts kept" in err) == (True, False)
    with open_store("gridwright.db") as store:
        acts = [each for each in store.audit.records(LOCAL_OWNER) if {"issued", "cancelled"} & set(each.detail)]
    assert [each.actor for each in acts] == ["local", *["carla"] * 5]  # the newest first


def test_what_is_asked_wrongly_is_answered_with_what_there_is(run: Run) -> None:
    save(0, 1.0)
    code, _, err = run("bill", "corrections", "list", "--state", "open")
    assert code == 2
    assert "draft, held, issued" in err
    code, _, err = run("bill", "corrections", "show", "nothing")
    assert code == 1
    assert "nothing" in err
    dry = json.loads(run("bill", "correct", "--dry-run", "--json")[1])
    assert (dry["dry_run"], dry["corrections"]) == (True, [])
    assert "readings become final when" in told_of_totals(run)


def test_totals_of_a_time_of_which_nothing_was_known_wait_for_nobody(run: Run) -> None:
    save(0, 1.0)
    assert run("bill", "correct")[0] == 0
    early = told_of_totals(run, "--period", "2025-03-05", "--as-of", "2020-01-01T00:00Z")
    assert "no reading of UP-1 of 2025-03-05 was known at 2020-01-01" in early
    assert "no reading of UP-1 of 2031-01 is known" in told_of_totals(run, "--period", "2031-01")


def told_of_totals(run: Run, *options: str) -> str:
    return " ".join(" ".join(run("usage-point", "totals", "UP-1", *options)[1:]).split())


def test_a_dry_run_where_there_is_no_database_makes_none(run: Run) -> None:
    done = document(run, "bill", "correct", "--dry-run")
    assert (done["dry_run"], done["corrections"]) == (True, [])
    code, _, err = run("bill", "run", "--dry-run")
    assert (code, "a dry run makes none" in " ".join(err.split())) == (1, True)
    code, _, err = run("--data", ".", "bill", "run", "--dry-run")
    assert (code, "there is no database in this folder" in err) == (1, True)
    assert not list(Path().glob("*.db*"))
