"""What the command line says of usage points is checked before anything is read."""

from __future__ import annotations

import pytest

from gridwright.app import Platform
from gridwright.cli.options import Site
from gridwright.cli.source import site_of
from gridwright.domain.errors import UsageError
from gridwright.settings import Settings


def test_an_unknown_class_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"--class 'shop' is unknown \(use one of residential, commercial, industrial"):
        site_of(Platform(Settings()), Site(customer_class="shop"))


def test_what_is_given_wins_over_the_settings() -> None:
    told = site_of(Platform(Settings()), Site(customer_class="industrial", capacity_kw=40.0))
    assert (told.customer_class, told.capacity_kw, told.holidays) == ("industrial", 40.0, "")
