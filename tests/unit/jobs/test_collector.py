"""How seldom Python looks for cycles while a file is taken."""

from __future__ import annotations

import gc
import threading

import pytest

from gridwright.jobs.files.collector import SELDOM, seldom_collected


def test_looks_less_often_within_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with seldom_collected():
        assert gc.get_threshold() == (SELDOM, *before[1:])
    assert gc.get_threshold() == before


def test_an_error_puts_things_as_they_were() -> None:
    before = gc.get_threshold()
    with pytest.raises(KeyError), seldom_collected():
        raise KeyError
    assert gc.get_threshold() == before


def test_a_second_import_that_ends_last_puts_things_as_they_were_before_the_first() -> None:
    before, begun, end = gc.get_threshold(), threading.Event(), threading.Event()

    def other() -> None:
        with seldom_collected():
            begun.set()
            end.wait(10)

    thread = threading.Thread(target=other)
    with seldom_collected():
        thread.start()
        assert begun.wait(10)
    assert gc.get_threshold()[0] == SELDOM
    end.set()
    thread.join()
    assert gc.get_threshold() == before


@pytest.mark.parametrize("first", [0, SELDOM * 2], ids=["off", "seldom already"])
def test_leaves_a_collector_that_is_off_or_looks_as_seldom(first: int) -> None:
    before = gc.get_threshold()
    gc.set_threshold(first, *before[1:])
    try:
        with seldom_collected():
            assert gc.get_threshold()[0] == first
    finally:
        gc.set_threshold(*before)
