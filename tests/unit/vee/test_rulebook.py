"""Groups of rules as data: which group fits, what it inherits, and every mistake told with file, line and a way out."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.errors import ConfigError, UsageError
from gridwright.domain.finding import Severity
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, TEMPERATURE, VOLTAGE
from gridwright.domain.usage_point import UsagePoint
from gridwright.vee import RULES_COMMERCIAL, RULES_RESIDENTIAL, RuleBook, Source, packaged, rule_book, validate
from gridwright.vee.ladder import Ladders, ladders_from
from gridwright.vee.rulebook import read_rule_book
from gridwright.vee.rules.catalogue import INTERVAL_CODES, RULES
from gridwright.vee.rules.shape import ZeroRun
from gridwright.vee.ruleset import FLAG_BITS, MAX_FLAGS

START = datetime(2025, 6, 2, tzinfo=UTC)
QUARTER_S = 900
HEAD = 'version = "7"\n'
BAKERY = """version = "7"

[[group]]
name = "bakeries"
extends = "commercial"
customer_class = "commercial"
interval_min = [5, 30]
attributes = { trade = "bakery" }
capacity_kw = 50

[group.rules]
V16_zero_run = { hours = 30, severity = "info" }
V35_load_factor = false
V20_step = { ratio = 3 }
"""


def name_of(
    book: RuleBook, point: UsagePoint | None, interval_s: int = QUARTER_S, source: Source = Source.INITIAL
) -> str:
    return book.rules_of([point], DELIVERED_ENERGY, interval_s, source)[0].name


def test_the_catalogue_is_complete() -> None:
    """31 numbers, some with more than one rule; each marks at most one of the 32 bits, or none."""
    numbers = {code[:3] for code in RULES}
    assert numbers == {f"V{n:02d}" for n in (*range(1, 9), *range(10, 24), *range(30, 39))}
    assert len(numbers) == 31
    assert set(FLAG_BITS) <= set(RULES)
    assert len(FLAG_BITS) <= MAX_FLAGS
    assert set(RULES_RESIDENTIAL.to_dict()) >= set(RULES) - {"V13_limit", "V20_step", "V33_register"}
    assert {rule.code for rule in RULES_COMMERCIAL.of_intervals} <= INTERVAL_CODES


def test_every_rule_can_be_written_out_and_read_back() -> None:
    """Each rule with every parameter at its default, in TOML, is the rule again."""
    lines = []
    for code, make in RULES.items():
        rule = make()
        words = [f"{each.name} = {toml(getattr(rule, each.name))}" for each in fields(rule)]
        words = [word for word in words if "inf" not in word]
        lines.append(f"{code} = {{ {', '.join(words)} }}")
    book = read_rule_book(HEAD + '[[group]]\nname = "all"\n[group.rules]\n' + "\n".join(lines), "all.toml")
    assert {rule.code: rule for rule in book.groups[0].rules.rules} == {code: make() for code, make in RULES.items()}


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str(list(value)).replace("'", '"')
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_the_first_group_that_fits_counts() -> None:
    book = rule_book(BAKERY, "vee.toml")
    baker = UsagePoint("B", customer_class="commercial", attributes={"trade": "bakery"})
    assert name_of(book, baker) == "bakeries"
    assert name_of(book, baker, interval_s=3600) == "commercial"
    assert name_of(book, baker, source=Source.EDIT) == "edits"
    assert name_of(book, UsagePoint("B", customer_class="commercial")) == "commercial"
    assert name_of(book, UsagePoint("B")) == "residential"
    assert name_of(book, None) == "residential"
    assert [one.name for one in book.rules_of([baker], TEMPERATURE, QUARTER_S)] == ["temperature"]


def test_a_group_inherits_what_it_does_not_state() -> None:
    rules = rule_book(BAKERY, "vee.toml").group("bakeries").rules
    assert rules.rule("V16_zero_run") == ZeroRun(hours=30)
    assert rules.severities == {"V16_zero_run": Severity.INFO}
    assert rules.rule("V35_load_factor") is None
    assert rules.rule("V18_spike") == RULES_COMMERCIAL.rule("V18_spike")
    assert rules.capacity_kw == 50
    assert [rule.code for rule in rules.rules].index("V20_step") > [rule.code for rule in rules.rules].index(
        "V17_stuck"
    )


def test_a_group_with_a_packaged_name_takes_its_place() -> None:
    text = HEAD + '[[group]]\nname = "residential"\nextends = "residential"\n[group.rules]\nV18_spike = false\n'
    book = rule_book(text, "vee.toml")
    assert [group.rules.name for group in book.groups].count("residential") == 1
    assert book.group("residential").rules.rule("V18_spike") is None


def test_the_digest_tells_what_was_resolved() -> None:
    """Comments and order of keys change nothing, a limit does."""
    book = rule_book(BAKERY, "vee.toml")
    assert book.version == "7"
    assert rule_book(BAKERY + "# more\n", "other.toml").digest == book.digest
    assert rule_book(BAKERY.replace("hours = 30", "hours = 31"), "vee.toml").digest != book.digest
    assert rule_book(HEAD, "vee.toml").digest == packaged().digest


def test_a_severity_of_the_group_takes_the_place_of_the_rules_own() -> None:
    values = np.random.default_rng(3).integers(100, 400, (1, 192)).astype(np.float64)
    values[0, 7] = -5
    panel = Panel(("P",), START, timedelta(minutes=15), values)
    text = HEAD + '[[group]]\nname = "g"\n[group.rules]\nV11_negative = { severity = "SEVERITY" }\n'
    statuses = {"fail": q.Status.REJECTED, "warn": q.Status.ACCEPTED, "info": q.Status.ACTUAL}
    for severity, status in statuses.items():
        done = validate(panel, [], rules=rule_book(text.replace("SEVERITY", severity), "vee.toml"))
        assert [str(f.severity) for f in done.findings] == [severity]
        assert q.status_of(done.panel.quality)[0, 7] == status


def test_edits_are_judged_for_what_is_impossible_and_left_as_they_are() -> None:
    values = np.full((1, 96), 200.0)
    values[0, 5], values[0, 6] = -1, 9_000
    quality = np.full((1, 96), q.Status.ACTUAL, np.uint8)
    quality[0, 5:7] = q.pack(q.Status.EDITED, q.Method.AGREED)
    panel = Panel(("P",), START, timedelta(minutes=15), values, quality)
    home = [UsagePoint("P", capacity_kw=20.0)]
    assert {f.code for f in validate(panel, home).findings} == {"V17_stuck"}
    done = validate(panel, home, source=Source.EDIT)
    assert [f.code for f in done.findings] == ["V11_negative", "V12_capacity"]
    assert done.panel.quality.tolist() == quality.tolist()


def test_readings_without_a_group_are_refused() -> None:
    book = read_rule_book(HEAD + '[[group]]\nname = "volts"\nquantity = "voltage"\n', "volts.toml")
    assert book.rules_of([None], VOLTAGE, QUARTER_S)[0].name == "volts"
    with pytest.raises(UsageError, match="no group of rules fits delivered energy"):
        name_of(book, None)
    with pytest.raises(UsageError, match="known: volts"):
        book.group("amps")


G = '\n[[group]]\nname = "g"\n'


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("version = ", None, "no TOML"),
        ('name = "x"\n', 1, "known: version, classes, group"),
        ('version = "1"\nrules = 1\n', 2, "rules is an unknown key"),
        ("version = true\n", 1, "version is True"),
        ('version = "1"\ngroup = 3\n', 2, "no list of tables"),
        (HEAD + "[[group]]\n", 2, "give the group a name"),
        (HEAD + G + G, 7, "'g' is taken"),
        (HEAD + G + 'extend = "residential"\n', 5, "did you mean extends?"),
        (HEAD + G + 'extends = "residental"\n', 5, "did you mean residential?"),
        (HEAD + G + 'source = "initail"\n', 5, "did you mean initial?"),
        (HEAD + G + 'quantity = ["energy", "volts"]\n', 5, "'volts' is no value"),
        (HEAD + G + "customer_class = [1]\n", 5, "1 is no value"),
        (HEAD + G + 'customer_class = "residental"\n', 5, "did you mean residential?"),
        (HEAD + G + 'customer_class = ["commercial", "farms"]\n', 5, 'classes = ["farms"]'),
        (HEAD + 'classes = ["farm"]\n' + G + 'customer_class = "frm"\n', 6, "did you mean farm?"),
        (HEAD + "classes = [3]\n", 2, "3 is no value"),
        (HEAD + G + 'flow = "delivred"\n', 5, "did you mean delivered?"),
        (HEAD + "[[groups]]\n", 2, "did you mean group?"),
        (HEAD + G + "[group.rule]\n", 5, "did you mean rules?"),
        (HEAD + G + "interval_min = 5\n", 5, "write it like [5, 60]"),
        (HEAD + G + "interval_min = [60, 5]\n", 5, "shortest interval first"),
        (HEAD + G + "attributes = { a = 1 }\n", 5, "write it like"),
        (HEAD + G + 'capacity_kw = "5"\n', 5, "must be a number"),
        (HEAD + G + "rules = 3\n", 5, "[group.rules]"),
        (HEAD + G + "[group.rules]\nV18_spik = true\n", 6, "did you mean V18_spike?"),
        (HEAD + G + "[group.rules]\nV18_spike = 3\n", 6, "true, false, or"),
        (HEAD + G + "[group.rules]\nV18_spike = { ration = 2 }\n", 6, "did you mean ratio?"),
        (HEAD + G + '[group.rules]\n# none\nV18_spike = { ratio = "2" }\n', 7, "must be a number"),
        (HEAD + G + "[group.rules]\nV18_spike = { ratio = -2 }\n", 6, "must not be below 0"),
        (HEAD + G + "[group.rules]\nV18_spike = { ratio = nan }\n", 6, "must be a number"),
        (HEAD + G + "[group.rules]\nV18_spike = { quiet_quantile = 9 }\n", 6, "must not be above 1"),
        (HEAD + G + "[group.rules]\nV18_spike = { window_days = 30 }\n", 6, "least_days 60 are more than"),
        (HEAD + G + "[group.rules]\nV33_high_low = { days = 100000000 }\n", 6, "must not be above 3660"),
        (HEAD + G + "[group.rules]\nV33_high_low = { days = 5 }\n", 6, "least_days 14 are more than the 5 days"),
        (HEAD + G + '[group.rules]\nV33_high_low = { form = "ratio", ratio = 0 }\n', 6, "ratio 0 must lie above 1"),
        (HEAD + G + "[group.rules]\nV34_high_demand = { days = 0 }\n", 6, "must not be below 1"),
        (HEAD + G + "[group.rules]\nV35_load_factor = { low = 0.9, high = 0.1 }\n", 6, "must lie below high 0.1"),
        (HEAD + G + "[group.rules]\nV13_limit = { low = 60, high = -90 }\n", 6, "low 60 must lie below high -90"),
        (HEAD + G + "[group.rules]\nV13_limit = { of_nominal = 0.9 }\n", 6, "of_nominal 0.9 would doubt the nominal"),
        (HEAD + G + "[group.rules]\nV06_late = { hour = 25 }\n", 6, "must not be above 23"),
        (HEAD + G + "[group.rules]\nV08_prolonged = { share = 7 }\n", 6, "must not be above 1"),
        (HEAD + G + "[group.rules]\nV18_spike = { least_days = 1.5 }\n", 6, "whole number"),
        (HEAD + G + "[group.rules]\nV18_spike = { year = 1 }\n", 6, "true or false"),
        (HEAD + G + '[group.rules]\nV18_spike = { severity = "fatal" }\n', 6, "'fatal' is no value"),
        (HEAD + G + '[group.rules]\nV33_high_low = { form = "ration" }\n', 6, "did you mean ratio?"),
        (HEAD + G + '[group.rules]\nV14_status = { fail = "boom" }\n', 6, "no condition of a device"),
        (HEAD + G + '[group.rules]\nV14_status = { fail = "fatl" }\n', 6, "did you mean fatal?"),
        (HEAD + G + "[group.rules]\nV21_power_factor = { least = 2 }\n", 6, "between 0 and 1"),
        (HEAD + G + '[group.rules.V33_high_low]\nform = "x"\n', 5, "'x' is no value"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, line: int | None, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rule_book(text, "vee.toml")
    assert words in str(caught.value)
    assert caught.value.where == (f"vee.toml line {line}" if line else "vee.toml")


def test_a_misspelt_class_of_the_ladder_is_told_with_its_line_behind_a_group_too() -> None:
    text = HEAD + G + "[estimation.class.industrial]\nweeks = 3\n[estimation.class.comercial]\nweeks = 3\n"
    with pytest.raises(ConfigError) as caught:
        rule_book(text, "vee.toml")
    assert caught.value.where == "vee.toml line 7"


def test_a_class_of_ones_own_is_declared() -> None:
    text = 'version = "1"\nclasses = ["farm"]\n[[group]]\nname = "farms"\ncustomer_class = "farm"\n'
    book = rule_book(text + "[estimation.class.farm]\nweeks = 3\n", "vee.toml")
    assert name_of(book, UsagePoint("F", customer_class="farm")) == "farms"
    assert book.ladders.of("farm").weeks == 3
    assert rule_book(text.replace('classes = ["farm"]\n', 'classes = "farm"\n'), "vee.toml").digest


def test_the_ladder_stands_in_the_same_file() -> None:
    text = HEAD + "\n[estimation]\nlinear_first_hours = 0\n[estimation.class.commercial]\nlike_days = 3\n"
    book = rule_book(text, "vee.toml")
    assert book.ladders.default.linear_first_hours == 0
    assert book.ladders.of("commercial").like_days == 3
    assert book.digest != packaged().digest
    assert ladders_from(book.to_dict()["estimation"]) == book.ladders
    assert rule_book(HEAD, "vee.toml").ladders == packaged().ladders == Ladders()
    for wrong, told in (
        ("[estimation]\nweek = 3", "'week' is no limit.*did you mean weeks?"),
        ("estimation = 3", "estimation is 3"),
        ("[estimation]\nmethod = 3", "did you mean methods?"),
        ('[estimation]\nmethods = ["E2"]', "did you mean E02?"),
        ("[estimation.clas.commercial]\nweeks = 3", "did you mean class?"),
        ("[estimation.class.comercial]\nweeks = 3", "'comercial' is no customer class.*did you mean commercial?"),
        ("[estimation.class.commercial]\nwek = 3", "did you mean weeks?"),
    ):
        with pytest.raises(ConfigError, match=told) as raised:
            rule_book(HEAD + f"\n{wrong}\n", "vee.toml")
        assert "vee.toml" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('[estimation]\nweeks = 2\nlinear_hours = "2"\n', 4, "linear_hours is '2'"),
        ('[estimation]\n\nmethods = ["E02", "E99"]\n', 4, "'E99' is no method of the ladder"),
        ("[estimation]\nlinear_hour = 2\n", 3, "did you mean linear_hours?"),
        ('[estimation]\nweeks = 1\n[estimation.class.residential]\n"weeks" = -1', 5, "weeks is -1"),
        ("[estimation]\nweeks = 4\nclass.residential.weeks = -1", 4, "weeks is -1"),
        ("estimation.class.residential = { weeks = -1 }", 2, "weeks is -1"),
        ("[estimation]\nclass = 3", 3, "class is 3"),
        ("[estimation.class]\nresidential = 3", 3, "residential is 3"),
        ("estimation = { weeks = 1.5 }", 2, "weeks is 1.5"),
        ("estimation = { back_days = 1000000000000 }", 2, "whole number up to 3660"),
    ],
)
def test_a_wrong_ladder_names_file_and_line(text: str, line: int, told: str) -> None:
    """However the table is written, and where another one has a key that is called the same."""
    with pytest.raises(ConfigError) as caught:
        read_rule_book(f'version = "1"\n{text}', "vee.toml")
    assert told in f"{caught.value.message} {caught.value.remedy}"
    assert caught.value.where.startswith(f"vee.toml line {line} [estimation")
    assert caught.value.remedy
