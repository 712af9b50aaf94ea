"""Keys that come for the first time, by the hundred thousand: read in few moulds, and just as each by itself."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from gridwright.api.ingest import known
from gridwright.api.ingest.known import NOTHING, TRIES, Tags
from gridwright.api.ingest.lines import POINT_TAGS, Words, tags_of, whose
from gridwright.api.ingest.meaning import Wrong
from gridwright.api.ingest.table import faulty_names, name_fault
from gridwright.formats.line_protocol import Origin, Origins, Vocabulary, origin_in, read_line_protocol
from gridwright.store.quarantine_order import Arrivals, Key, Row

TAG_NAMES = ("usage_point", "meter", "host", "unit", "flow", "interval_s", "site", "x")
names = st.text("ab1.:-/_", min_size=1, max_size=4) | st.sampled_from(["a b", "é", "9\\,1", "%", '"', "\x7f"])
tags = st.lists(st.tuples(st.sampled_from(TAG_NAMES), names | st.sampled_from(["kWh", "900", "received"])), max_size=4)
keys = st.builds(
    lambda measurement, pairs: ",".join([measurement, *(f"{name}={value}" for name, value in pairs)]),
    st.sampled_from(["m", "em", "a=b", "", "power meter"]),
    tags,
)


@given(st.lists(keys | st.text(max_size=12), max_size=40))
def test_keys_of_one_mould_say_what_each_says_by_itself(written: list[str]) -> None:
    found = [one.encode(errors="surrogatepass") for one in written]
    sound = [one if origin_in(one) is not None else None for one in found]
    told = Tags(lambda origin: whose(origin, POINT_TAGS), POINT_TAGS).read(Origins(sound))
    said = [(told.names.all[name], told.words[word]) for name, word in zip(told.name, told.word, strict=True)]
    assert said == [whose(origin_in(one) or NOTHING, POINT_TAGS) for one in sound]


def test_a_fleet_is_read_once() -> None:
    read: list[object] = []

    def noted(origin: Origin) -> tuple[str, Words | Wrong]:
        read.append(origin)
        return whose(origin, POINT_TAGS)

    tags = Tags(noted, POINT_TAGS)
    fleet = Origins([f"em,usage_point=UP-{at},site=n".encode() for at in range(500)])
    told = tags.read(fleet)
    assert (len(read), told.names.all[-1], told.words) == (1, "UP-499", [Words("em")])
    fleet.keys.extend(f"em,usage_point=UP-{at},site=s".encode() for at in range(400, 600))
    assert tags.read(fleet).names.all[-1] == "UP-599"
    assert len(read) == 2


def test_where_each_key_has_a_tag_of_its_own_no_more_moulds_are_made() -> None:
    tags = Tags(lambda origin: whose(origin, POINT_TAGS), POINT_TAGS)
    told = tags.read(Origins([f"em,meter=M,serial={at}".encode() for at in range(5 * TRIES)]))
    assert (tags._tries, len(tags._moulds), set(told.name.tolist())) == (0, known.MOULDS, {0})


def test_what_keys_say_is_read_as_it_is_asked_for() -> None:
    """Kept, half a million small objects are walked over all the time."""
    vocabulary = Vocabulary(threading.Lock())
    body = "".join(f"em,usage_point=UP-{at} kwh=1 1740830400\n" for at in range(100)).encode()
    values = read_line_protocol(body, precision="s", received_us=0, vocabulary=vocabulary)
    assert isinstance(values.origins, Origins)
    assert all(type(key) is bytes for key in values.origins.keys)
    assert values.origins[99] == ("em", (("usage_point", "UP-99"),))
    assert tags_of(POINT_TAGS).read(values.origins).names.all[99] == "UP-99"


@given(st.lists(st.text(max_size=6) | st.sampled_from([".", "..", " ", "x" * 400, "a\n"]), max_size=8))
def test_names_at_once_have_the_faults_of_each(written: list[str]) -> None:
    assert faulty_names(written) == [name_fault(one) is not None for one in written]


readings = st.tuples(
    st.tuples(st.sampled_from("AB"), st.integers(0, 3), st.just(900), st.just(1), st.sampled_from([1.0, 2.0])),
    st.sampled_from([0, 32, 64]),
)


@given(
    st.lists(readings, max_size=8),
    st.none() | st.integers(-1, 6),
    st.lists(st.tuples(readings, st.booleans(), st.booleans()), max_size=3, unique_by=lambda one: one[0][0]),
)
def test_a_flood_is_taken_in_as_one_by_one(
    arrived: list[tuple[Key, int]], room: int | None, there: list[tuple[tuple[Key, int], bool, bool]]
) -> None:
    rows = [Row(at, key, quality, waits, let_go) for at, ((key, quality), waits, let_go) in enumerate(there)]
    at_once, one_by_one = Arrivals.after(rows, room), Arrivals.after(rows, room)
    at_once.take_all(arrived)
    for key, quality in arrived:
        one_by_one.take(key, quality)
    assert list(at_once.new.items()) == list(one_by_one.new.items())
    assert (at_once.gone, at_once.let_go, at_once.no_room) == (one_by_one.gone, one_by_one.let_go, one_by_one.no_room)
