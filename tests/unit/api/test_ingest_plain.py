"""Plain lines by machine code: what is taken the quickest way is, reading by reading, what the long way takes."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gridwright.api.ingest import compiled
from gridwright.api.ingest.learned import Learned
from gridwright.api.ingest.lines import LineMapping, decode_lines, usual_fields
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.names import Directory, directory_of, resolve
from gridwright.api.ingest.plain import PlainLines, PlainReadings
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.usage_point import Installation
from gridwright.formats.line_protocol import PRECISIONS
from gridwright.formats.line_protocol.keys import Keys, is_usual
from gridwright.formats.line_protocol.plain import LONGEST, Table

pytest.importorskip("numba", reason="lines are compiled where numba is installed")

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = datetime(2026, 3, 9, tzinfo=UTC)
DAY_S = epoch_s(DAY)
MAPPING = LineMapping(usual_fields() | {"odd": Said(unit="Wh", interval_s=3600)})
POINTS = [f"UP-{at}" for at in range(6)]
KEYS = {point: 40 - 7 * at for at, point in enumerate(POINTS)}  # not in the order of the names
EXAMPLES = 5_000 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 150


def registry(*hung: tuple[str, str, int, int], points: list[str] = POINTS) -> Directory:
    """Return a directory: (usage point, meter, from and to in hours of the day)."""
    installed = [
        Installation(point, meter, Interval(DAY + timedelta(hours=first), DAY + timedelta(hours=last)))
        for point, meter, first, last in hung
    ]
    return directory_of({point: KEYS[point] for point in points}, installed, 0.0)


TOWN = registry(("UP-1", "M-1", 0, 24), ("UP-2", "M-2", 0, 12), ("UP-3", "M-2", 12, 20), ("UP-4", "M-4", 2, 6))


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    assert compiled.load() is not None


def both(
    body: bytes, precision: str = "s", directory: Directory = TOWN, lines: PlainLines | None = None
) -> PlainReadings | None:
    """Read a body both ways; what the quickest takes must be all of it, the same, and without a verdict."""
    found = (lines or PlainLines(MAPPING)).read(body, PRECISIONS[precision], directory, NOW)
    if found is None:
        return None
    decoded = decode_lines(body, MAPPING, precision, NOW)
    resolved = resolve(decoded, directory, LOCAL_OWNER)
    assert not decoded.verdicts.listed
    assert not resolved.registers
    assert not resolved.quarantined.size
    rows = [
        (part.reading_type, part.interval_s, int(quality), KEYS[part.points[point]], at, value)
        for part in resolved.intervals
        for point, at, value, quality in zip(
            part.point.tolist(), part.at.tolist(), part.value.tolist(), part.quality.tolist(), strict=True
        )
    ]
    rows += [
        (
            one.meaning.reading_type,
            one.meaning.interval_s,
            one.meaning.quality,
            KEYS[one.name],
            one.at_s,
            one.counts,
        )
        for one in resolved.few
    ]
    meaning = found.meaning
    same = (meaning.reading_type, meaning.interval_s, meaning.quality)
    each = zip(found.point.tolist(), found.at.tolist(), found.count.tolist(), strict=True)
    assert [(*same, point, at, float(count)) for point, at, count in each] == sorted(rows, key=lambda row: row[3:5])
    assert len({row[3:5] for row in rows}) == len(rows)
    return found


def line(name: str, at_s: int, value: str = "0.25", *, tag: str = "usage_point", field: str = "energy_kwh") -> str:
    return f"energy,{tag}={name} {field}={value} {at_s}\n"


def day_of(name: str, **more: str) -> str:
    return "".join(line(name, DAY_S + slot * 900, f"{slot / 1000}", **more) for slot in range(96))


PLAIN = [
    day_of("UP-1"),
    day_of("UP-1") + day_of("UP-2"),
    day_of("UP-2") + day_of("UP-1"),
    day_of("M-1", tag="meter"),
    "".join(line(name, DAY_S) for name in POINTS),
    "".join(line(name, DAY_S) for name in reversed(POINTS)),
    "".join(line("UP-1", DAY_S + at * 900) for at in (5, 3, 4)),
    "".join(
        line("UP-1", DAY_S + at * 900, text) for at, text in enumerate(("1i", "-7i", "3u", "-0", "-0.0", ".5", "5."))
    ),
    line("UP-1", DAY_S + 17, "230.1", field="voltage") + line("UP-1", DAY_S + 77, "230.2", field="voltage"),
    line("UP-1", DAY_S, "-1.5").rstrip(),
    line("UP-1", DAY_S + 900, "12", field="odd"),
    line("UP-1", DAY_S, "999999999.999") + line("UP-2", DAY_S, "000000000000.001"),
    line("M-2", DAY_S + 13 * 3600, tag="meter"),
]


@pytest.mark.parametrize("body", PLAIN)
def test_plain_bodies_go_the_quickest_way(body: str) -> None:
    assert both(body.encode()) is not None


@pytest.mark.parametrize(("precision", "unit"), [("ns", 10**9), ("us", 10**6), ("ms", 10**3), ("s", 1)])
def test_at_every_precision(precision: str, unit: int) -> None:
    body = "".join(line("UP-1", (DAY_S + slot * 900) * unit) for slot in range(8)).encode()
    assert both(body, precision) is not None


ODD = [
    *(line("UP-1", DAY_S) + line("UP-1", DAY_S + 900, text) for text in ("1e3", "nan", "+1", "0x1", "t", "", "1.2.3")),
    *(
        line("UP-1", DAY_S, text)
        for text in ("0.0001", "1.0000001", "1234567890123456", "-", ".", "i", "1.5i", "1,g=2")
    ),
    line("UP-1", DAY_S) * 2,
    line("UP-1", DAY_S) + line("UP-1", DAY_S, "0.5"),
    line("UP-1", DAY_S + 1),
    line("UP-1", DAY_S + 900, "12", field="odd") + line("UP-2", DAY_S + 3600, "12", field="odd"),
    line("UP-1", DAY_S + 10 * 86_400),
    line("UP-1", 900),
    line("UP-1", -900),
    line("UP-1", 10**18),
    line("UP-1", 9_999_999_999_999_999_999),
    line("UP-1", 10**25),
    line("UP-1", DAY_S, field="register_kwh"),
    line("UP-1", DAY_S, field="nobody_knows"),
    line("UP-1", DAY_S) + line("UP-1", DAY_S, field="voltage"),
    line("nobody", DAY_S),
    line("UP-1", DAY_S) + line("nobody", DAY_S),
    line("M-2", DAY_S, tag="meter"),  # it hung elsewhere then
    line("M-4", DAY_S, tag="meter"),  # it hung nowhere yet
    line("x" * 500, DAY_S),
    "energy kwh=1 5\n",
    f"energy,usage_point=UP-1,unit=nonsense energy_kwh=1 {DAY_S}\n",
    f"energy,usage_point=UP-1,interval_s=x energy_kwh=1 {DAY_S}\n",
    "energy,usage_point=UP-1 energy_kwh=1\n",
    f"energy,usage_point=UP-1 energy_kwh=1 {DAY_S}\n\n",
    f"energy,usage_point=UP-1 energy_kwh=1 {DAY_S}\r\n",
    f"energy,usage_point=UP-1  energy_kwh=1 {DAY_S}\n",
    f" energy,usage_point=UP-1 energy_kwh=1 {DAY_S}\n",
    f"# energy,usage_point=UP-1 energy_kwh=1 {DAY_S}\n",
    f'energy,usage_point=UP-1 energy_kwh="1" {DAY_S}\n',
    f"energy,usage_point=UP\\ 1 energy_kwh=1 {DAY_S}\n",
    f"energy,usage_point=UP-1 energy_kwh=1 {DAY_S} 5\n",
    f"energy,usage_point=UP-1 energy_kwh=1,energy_kwh=2 {DAY_S}\n",
    "\n",
    "",
    "x",
    " ",
]


@pytest.mark.parametrize("body", ODD)
def test_whatever_may_have_a_verdict_goes_the_long_way(body: str) -> None:
    assert both(body.encode()) is None


names = st.sampled_from([*POINTS, "M-1", "M-2", "nobody", "UP-", "UP-11"])
values = st.one_of(
    st.decimals(-1000, 1000, places=3).map(str),
    st.decimals(0, 10**9, places=6).map(str),
    st.integers(-(10**17), 10**17).map(lambda count: f"{count}i"),
    st.sampled_from(["1.", ".5", "1e3", "-0", "00012.500", "1.9220001", "nan", "true"]),
)
stamps = st.one_of(
    st.integers(0, 96).map(lambda slot: DAY_S + 900 * slot),
    st.integers(-(10**20), 10**20),
    st.integers(DAY_S, DAY_S + 86_400),
)
fields = st.sampled_from(["energy_kwh", "energy_kwh", "energy_kwh", "voltage", "wh", "odd"])
bodies = st.lists(
    st.tuples(st.sampled_from(["usage_point", "meter"]), names, fields, values, stamps), min_size=1, max_size=12
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rows=bodies, alike=st.booleans())
@example(rows=[("usage_point", "UP-1", "energy_kwh", "0.001", DAY_S + 86_400)], alike=False)
def test_any_lines(*, rows: list[tuple[str, str, str, str, int]], alike: bool) -> None:
    tag, _, field, _, _ = rows[0]
    if alike:
        rows = [(tag, name, field, value, at) for _, name, _, value, at in rows]
    body = "".join(line(name, at, value, tag=tag, field=field) for tag, name, field, value, at in rows)
    both(body.encode(), lines=SHARED)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from([one for one in PLAIN if len(one) < 600]), st.data())
def test_a_changed_byte_is_read_as_the_long_way_reads_it(text: str, data: st.DataObject) -> None:
    body = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(
            st.one_of(st.sampled_from(list(b' \n#,="\\-.0123456789iueE\r\t')), st.integers(0, 255))
        )
    both(bytes(body), lines=SHARED)


SHARED = PlainLines(MAPPING)  # what was learned stays from body to body, as in a server


tags = st.lists(
    st.tuples(
        st.sampled_from(["usage_point", "meter", "host", "unit", "flow", "quality", "interval_s", "x", "ausage_point"]),
        st.one_of(
            st.sampled_from(
                [*POINTS, "M-1", "kWh", "Wh", "delivered", "actual", "900", "x" * 70, "a=b", "=", "é", "~"]
            ),
            st.text("UP-1aé=\x85", min_size=1, max_size=6),
        ),
    ),
    max_size=4,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(tags, min_size=1, max_size=8))
def test_keys_alike_mean_what_each_means_by_itself(rows: list[list[tuple[str, str]]]) -> None:
    keys = ["".join(("energy", *(f",{tag}={text}" for tag, text in row))).encode() for row in rows]
    together = no_learned()
    for key in keys:
        together.learn([key])
    for key in dict.fromkeys(keys):
        alone = no_learned()
        alone.learn([key])
        assert meant(together, key) == meant(alone, key)


def test_the_keys_of_all_names_are_learned_with_the_first() -> None:
    learned = no_learned()
    learned.learn([b"energy,usage_point=UP-1"])
    assert [meant(learned, f"energy,usage_point={one}".encode())[1] for one in POINTS] == list(KEYS.values())
    learned.learn([b"energy,meter=M-1,x=1"])
    assert meant(learned, b"energy,meter=M-2,x=1")[1] == KEYS["UP-3"]  # where it was put last
    assert len(learned) == len(POINTS) + 3


def test_of_many_moulds_only_some_are_learned_ahead() -> None:
    learned = no_learned()
    for host in range(50):
        learned.learn([b"energy,host=%d,usage_point=UP-1" % host])
    assert len(learned) == 4 * len(POINTS) + 46


def test_of_a_large_registry_nothing_is_learned_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.api.ingest.learned.ALIKE", 2)
    learned = no_learned()
    learned.learn([b"energy,usage_point=UP-1"])
    assert len(learned) == 1


def no_learned() -> Learned:
    learned = Learned(MAPPING.point_tags, machine().enter)
    learned.go_by(TOWN)
    return learned


def meant(learned: Learned, key: bytes) -> tuple[object, ...]:
    word = learned.word_of(key)
    table, whose = learned.columns()
    number = next((at for at in range(len(table.code)) if key_of(table, at) == key), None)
    told = [] if number is None else [int(column[number]) for column in whose[1:]]
    return (learned.words[word] if word >= 0 else word, *told)


def key_of(table: Table, number: int) -> bytes:
    return table.pool[table.start[number] : table.start[number + 1]].tobytes()


def machine() -> compiled.Machine:
    code = compiled.load()
    assert code is not None
    return code


@pytest.mark.parametrize(("how", "counts"), [(compiled.HOW, [False]), ({"nogil": True}, [True])])
def test_machine_code_counts_nobody_who_uses_its_arrays(how: Any, counts: list[bool]) -> None:  # noqa: ANN401 - as the compiler takes it
    """Three times as slow otherwise: the compiler has each call of a part count all that it is given."""
    import numba

    from gridwright.formats.line_protocol import scan

    code = numba.njit(**how)(scan.enter)
    assert code(compiled._nothing()[1], 0, 0)
    assert ["NRT_incref" in text for text in code.inspect_llvm().values()] == counts


@given(number=st.integers(0, (1 << 63) - 1), by=st.sampled_from([1, 7, 1_000, 60_000_000, 900_000_000, 86_400_000_000]))
@example(1_773_057_600_000_000 - 1, 900_000_000)
@example(1_773_057_600_000_000_000, 1_000)
def test_quotient_and_rest_are_exact(number: int, by: int) -> None:
    from gridwright.formats.line_protocol.scan import _divided

    assert _divided(number, by, 1.0 / by) == divmod(number, by)


def test_what_was_learned_goes_by_the_registry_as_it_is() -> None:
    lines = PlainLines(MAPPING)
    body = line("M-1", DAY_S, tag="meter").encode()
    first, second = both(body, lines=lines), both(body, directory=registry(("UP-5", "M-1", 0, 24)), lines=lines)
    assert first is not None
    assert second is not None
    assert (first.point.tolist(), second.point.tolist()) == ([KEYS["UP-1"]], [KEYS["UP-5"]])
    assert both(body, directory=registry(), lines=lines) is None
    assert both(body, lines=lines) is not None


def test_of_very_many_new_keys_some_are_learned_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.api.ingest.plain.LEARNED_AT_ONCE", 2)
    monkeypatch.setattr("gridwright.api.ingest.learned.ALIKE", 0)
    lines = PlainLines(MAPPING)
    body = "".join(line(name, DAY_S) for name in POINTS).encode()
    assert [both(body, lines=lines) is not None for _ in range(5)] == [False, False, True, True, True]


def test_without_a_compiler_nothing_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_kept", [])
    assert PlainLines(MAPPING).read(PLAIN[0].encode(), PRECISIONS["s"], TOWN, NOW) is None
    monkeypatch.setattr(compiled, "is_installed", lambda: False)
    assert compiled.load() is None
    compiled.load_at_first_lines()
    assert compiled.machine_for_lines() is None
    assert not compiled._at_first_lines.is_set()


def test_the_first_lines_have_it_loaded_and_are_read_without(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, said = machine(), threading.Event()
    monkeypatch.setattr(compiled, "_kept", [])
    monkeypatch.setattr(compiled, "_compiled", lambda: said.wait() and kept)
    lines = PlainLines(MAPPING)

    def read() -> bool:
        return lines.read(PLAIN[0].encode(), PRECISIONS["s"], TOWN, NOW) is not None

    def loading() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each.name == "compiler"]

    assert not read()
    assert loading() == []  # nobody wants it
    compiled.load_at_first_lines()
    assert loading() == []
    assert [read(), read()] == [False, False]
    (thread,) = loading()
    said.set()
    thread.join()
    assert read()


def test_it_begins_anew_when_it_knows_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.api.ingest.learned.MOST", 4)
    lines = PlainLines(MAPPING)
    for name in (*POINTS, *POINTS):
        assert both(line(name, DAY_S).encode(), lines=lines) is not None


def no_keys() -> Keys:
    return Keys(machine().enter)


def test_keys_are_found_however_many_there_are() -> None:
    keys, names = no_keys(), [b"energy,usage_point=%d" % at for at in range(5_000)]
    for first in range(0, 5_000, 700):
        keys.add(names[first : first + 700])
    keys.add(names)
    table = keys.table()
    assert len(keys) == 5_000
    assert [keys.number(name) for name in names] == list(range(5_000))
    assert sorted(table.slots[table.slots >= 0].tolist()) == list(range(5_000))
    assert table.pool[table.start[77] : table.start[78]].tobytes() == names[77]


@pytest.mark.parametrize("key", [b"", b"a b", b"a\nb", b'a"b', b"a\\b", b"x" * (LONGEST + 1), b"a\tb", b"\x00"])
def test_keys_that_do_not_mean_themselves_get_no_number(key: bytes) -> None:
    keys = no_keys()
    keys.add([key])
    assert not len(keys)
    assert not is_usual(key)


def test_nobody_knows_by_what_factors_keys_are_hashed() -> None:
    one, other = no_keys(), no_keys()
    assert one.table().odd.tolist() != other.table().odd.tolist()
