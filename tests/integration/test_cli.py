"""The command line as a person and as a program meet it: every command, its JSON, its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gridwright.jobs.billing.find_rate_card import BUNDLED
from gridwright.simulate.demo_file import demo_csv
from tests.integration.command_line import Run, commands


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("town") / "town.csv"
    path.write_bytes(demo_csv())
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRIDWRIGHT_SERVER__PORT", "0")  # the doctor asks no server of this machine

    return commands(monkeypatch, capsys)


def document(run: Run, *words: object) -> Any:  # noqa: ANN401 - JSON
    code, out, err = run(*words, "--json")
    assert code == 0, err
    return json.loads(out)


def test_report_holds_what_programs_rely_on(run: Run, town: Path, tmp_path: Path) -> None:
    found = document(run, "report", town, "--out", tmp_path)
    assert found["rejected"] == 0
    assert Path(found["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [point["id"] for point in found["usage_points"]] == ["UP-1042", "UP-1043", "UP-1044"]
    home = found["usage_points"][0]
    assert home["zone"] == "Europe/Berlin"
    assert home["interval_minutes"] == 15
    assert home["readings"] + home["missing"] == 38012
    assert home["estimated"] >= home["missing"] > 0
    assert home["unfilled"] == 0
    assert home["findings"]["V10_missing"] >= 1
    assert set(home["forecast"]) >= {"model", "mase", "mase_seasonal_naive", "wql"}
    assert home["forecast"]["mase"] < home["forecast"]["mase_seasonal_naive"]
    assert home["bill"]["currency"] == "EUR"
    assert home["bill"]["example"]
    assert all(isinstance(line["amount"], float) for line in home["bill"]["lines"])
    assert home["bill"]["total"] == pytest.approx(sum(float(line["amount"]) for line in home["bill"]["lines"]))
    assert home["bill"]["total"] == pytest.approx(home["energy_kwh"] * 0.30, abs=0.1)
    assert found["usage_points"][1]["battery"]["saving"] > 0


def test_validate_lists_findings(run: Run, town: Path) -> None:
    found = document(run, "validate", town)
    assert {"code", "usage_point", "from", "to", "severity", "message"} <= set(found[0])
    assert {"V03_duplicate", "V10_missing", "V11_negative", "V17_stuck", "V18_spike"} <= {
        finding["code"] for finding in found
    }
    some = document(run, "validate", town, "--usage-point", "UP-1043")
    assert {finding["usage_point"] for finding in some} == {"UP-1043"}


def test_what_lost_to_a_better_reading_is_told_and_not_counted_as_refused(run: Run, town: Path, tmp_path: Path) -> None:
    found = document(run, "report", town, "--out", tmp_path)
    assert (found["rejected"], found["files"][0]["conflicting"]) == (0, 48)
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "Every record could be taken." in page
    assert "48 records gave another value" in page
    assert str(town.parent) not in page


def test_estimate_writes_every_interval(run: Run, town: Path, tmp_path: Path) -> None:
    found = document(run, "estimate", town, "--usage-point", "UP-1042", "--out", tmp_path / "filled.csv")
    (home,) = found["usage_points"]
    assert home["unfilled"] == 0
    assert sum(home["by_method"].values()) == home["estimated"]
    lines = (tmp_path / "filled.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == home["intervals"] + 1
    assert sum("ESTIMATED" in line for line in lines) == home["estimated"]


def test_forecast_and_backtest(run: Run, town: Path, tmp_path: Path) -> None:
    ahead = document(run, "forecast", "run", town, "--usage-point", "UP-1044", "--plot", tmp_path / "fan.svg")
    (shop,) = ahead["forecasts"]
    assert len(shop["steps"]) == 192
    assert all(step["low"] <= step["median"] <= step["high"] for step in shop["steps"])
    assert (tmp_path / "fan.svg").read_text(encoding="utf-8").startswith("<svg")
    past = document(run, "forecast", "backtest", town, "--horizon", "24h", "--origins", 28)
    assert past["origins"] == 28
    assert {"mase", "wape", "wql", "coverage_80"} <= set(past["pooled"])
    assert past["pooled"]["wql"] < past["pooled"]["models"]["seasonal_naive_24"]["wql"]
    assert {point["id"] for point in past["usage_points"]} == {"UP-1042", "UP-1043", "UP-1044"}
    assert past["fit_s"] >= past["fit_s_by_model"]["ar"] > 0


def test_bills_are_made_explained_and_printed(run: Run, town: Path, tmp_path: Path) -> None:
    words = (town, "--usage-point", "UP-1042", "--period", "2025-03", "--tariff", "residential-tou")
    made = document(run, "bill", "run", *words, "--pdf", tmp_path / "bills")
    (bill,) = made["bills"]
    (pdf,) = made["pdf"]
    assert Path(pdf).read_bytes().startswith(b"%PDF")
    (explained,) = document(run, "bill", "explain", *words)
    assert explained["key"] == bill["key"]
    assert len(explained["explained"]) > len(bill["lines"])
    code, out, _ = run("bill", "explain", *words)
    assert code == 0
    assert "Total" in out
    _, with_lines, _ = run("bill", "run", *words, "--explain")
    assert out in with_lines


def test_rejected_records_are_told_wherever_a_file_is_used(run: Run, tmp_path: Path) -> None:
    rows = [f"UP-1,2025-03-01T{hour:02d}:00:00Z,{'x' if hour == 7 else 1}" for hour in range(24)]
    (tmp_path / "few.csv").write_text("\n".join(["usage_point,start,kwh", *rows]), encoding="utf-8")
    code, _, err = run("bill", "run", "few.csv")
    assert code == 0
    assert "23 readings taken, 1 rejected; the first, line 9" in err


def test_a_file_of_future_readings_says_so(run: Run, tmp_path: Path) -> None:
    late = "usage_point,start,kwh\nUP-1,2099-01-01T00:00:00Z,1\nUP-1,2099-01-01T01:00:00Z,1\n"
    (tmp_path / "late.csv").write_text(late, encoding="utf-8")
    code, _, err = run("validate", "late.csv")
    assert code == 1
    assert "late.csv line 2" in err
    assert "future" in err


def test_a_plan_saves_money(run: Run, town: Path) -> None:
    found = document(run, "dispatch", "plan", town, "--usage-point", "UP-1043", "--tariff", "residential-tou")
    (plan,) = found["plans"]
    assert plan["saving"] > 0
    assert len(plan["steps"]) == 96
    assert all(0 <= step["stored_kwh"] <= 10.000001 for step in plan["steps"])


def test_import_show_and_bill_from_the_store(run: Run, town: Path) -> None:
    dry = document(run, "reading", "import", town, "--dry-run")
    assert dry["dry_run"]
    assert document(run, "usage-point", "list") == {"usage_points": []}
    done = document(run, "reading", "import", town)
    assert done["readings"] == dry["readings"] == done["new"]
    assert document(run, "reading", "import", town)["already_imported"]
    assert len(document(run, "usage-point", "list")["usage_points"]) == 3
    home = document(run, "usage-point", "show", "UP-1042")
    assert home["series"][0]["interval_minutes"] == 15
    day = document(run, "reading", "show", "UP-1042", "--period", "2025-03-30")
    assert len(day["readings"]) == 92
    assert day["readings"][8]["start"] == "2025-03-30T03:00:00+02:00"
    card = (BUNDLED / "residential-tou.toml").read_text(encoding="utf-8").replace("example = true", "")
    Path("own.toml").write_text(card, encoding="utf-8")
    words = ("bill", "run", "--usage-point", "UP-1042", "--tariff", "own.toml", "--period", "2025-03")
    billed = document(run, *words)
    assert billed["kept"] == 1
    assert document(run, *words)["kept"] == 0
    (bill,) = document(run, "bill", "explain", billed["bills"][0]["id"])
    assert bill["total"] == billed["bills"][0]["total"]
    assert document(run, "bill", "issue", bill["id"]) == {"issued": {bill["id"]: 1}}
    (listed,) = document(run, "bill", "list", "--usage-point", "UP-1042", "--state", "issued")
    assert (listed["number"], listed["total"]) == (1, bill["total"])
    assert document(run, "bill", "list", "--state", "draft") == []
    assert document(run, "bill", "cancel", bill["id"]) == {"cancelled": {bill["id"]: 1}}
    assert document(run, "doctor")["healthy"]


def test_as_of_shows_what_was_known(run: Run, tmp_path: Path) -> None:
    for value in ("1.0", "2.0"):
        (tmp_path / f"{value}.csv").write_text(
            "usage_point,start,kwh\n" + "".join(f"UP-1,2025-03-01T{hour:02d}:00:00Z,{value}\n" for hour in range(24)),
            encoding="utf-8",
        )
        document(run, "reading", "import", tmp_path / f"{value}.csv")
    now = document(run, "reading", "show", "UP-1")
    assert {reading["kwh"] for reading in now["readings"]} == {2.0}
    code, _, err = run("reading", "show", "UP-1", "--as-of", "2001-01-01")
    assert code == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("path", ["", ".", "..", "/"])
def test_a_path_without_a_name_is_a_folder_and_no_fault_of_ours(run: Run, path: str) -> None:
    """An empty variable in a script gives such a path."""
    code, _, err = run("reading", "import", path)
    assert (code, "this is a directory" in err, "name one file in it" in err) == (1, True, True)


def test_the_final_image_is_shown_once_it_is_made(run: Run, tmp_path: Path) -> None:
    kwh = ["1.0", "1.0", "", "1.0"] * 6
    rows = "".join(f"UP-1,2025-03-01T{hour:02d}:00:00Z,{value}\n" for hour, value in enumerate(kwh))
    (tmp_path / "day.csv").write_text("usage_point,start,kwh\n" + rows, encoding="utf-8")
    document(run, "reading", "import", tmp_path / "day.csv")
    code, _, err = run("reading", "show", "UP-1", "--image", "final")
    assert (code, "bill correct" in err) == (1, True)
    document(run, "bill", "correct")
    shown = {image: document(run, "reading", "show", "UP-1", "--image", image) for image in ("raw", "final")}
    assert {image: {each["status"] for each in one["readings"]} for image, one in shown.items()} == {
        "raw": {"raw", "missing"},
        "final": {"actual", "estimated"},
    }
    code, _, err = run("reading", "show", "UP-1", "--image", "best")
    assert (code, "raw, final" in err) == (2, True)


def test_config_shows_origins(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gridwright.toml").write_text('[site]\nzone = "Asia/Tokyo"\n', encoding="utf-8")
    monkeypatch.setenv("GRIDWRIGHT_LOG__LEVEL", "error")
    settings = document(run, "config", "show")["settings"]
    assert settings["site.zone"] == {"value": "Asia/Tokyo", "origin": "gridwright.toml"}
    assert settings["log.level"]["origin"] == "GRIDWRIGHT_LOG__LEVEL"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("report", "no.csv"), 1, "no.csv"),
        (("report",), 2, "FILE"),
        (("report", "{town}", "--tariff", "nope"), 1, "no rate card 'nope'"),
        (("report", "{town}", "--column", "value"), 2, "ROLE=NAME"),
        (("report", "{town}", "--zone", "Mars/Base"), 2, "Mars/Base"),
        (("validate", "{town}", "--usage-point", "UP-1"), 1, "UP-1"),
        (("forecast", "run", "{town}", "--horizon", "soon"), 2, "'soon' is not a length of time"),
        (("bill", "run", "{town}", "--period", "2019"), 1, "2019"),
        (("bill", "run", "{town}", "--period", "March"), 2, "'March' is not a"),
        (("usage-point", "show", "UP-1"), 1, "UP-1"),
        (("reading", "show", "UP-1"), 1, "UP-1"),
        (("dispatch", "plan", "{town}", "--battery-kwh", "-3"), 2, "--battery-kwh"),
        (("--config", "no.toml", "config", "show"), 2, "does not exist"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_a_bad_call_names_value_and_remedy(
    run: Run, town: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    given = [word.format(town=town) for word in words]
    found, _, err = run(*given)
    assert (found, "Traceback" in err) == (code, False), err
    assert message in err
    failed, out, _ = run(*given, "--json")
    assert failed == code
    told = json.loads(out)
    assert message.lower() in " ".join(told.values()).lower()


def test_the_demo_checks_itself_and_leaves_where_nobody_looks(run: Run, tmp_path: Path) -> None:
    code, out, err = run("demo", "--out", tmp_path / "demo", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["holds"]
    assert {"what", "holds", "found"} == set(told["checks"][0])
    assert set(told["users"]) == {"anna", "boris", "carla", "dora"}
    assert "What to click" in err
    assert "What to type next" in err
    assert "the server ended with 0" in err
    assert (tmp_path / "demo" / "town.csv").is_file()


def test_a_reader_that_goes_away_is_no_failure(town: Path, tmp_path: Path) -> None:
    line = f"{sys.executable} -m gridwright validate {town} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["/bin/bash", "-c", line], cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 0
