"""Verdicts on messages are logged as often as they tell something."""

from __future__ import annotations

import pytest

from gridwright.api.ingest.verdicts import Fault, Status, Verdict
from gridwright.listen.news import News


def verdict(status: Status, value: str) -> Verdict:
    return Verdict(0, 1, status, Fault("meter", "a reason"), value)


def test_an_unknown_meter_is_news_once_a_topic() -> None:
    news = News()
    told = [("a", "M-1"), ("a", "M-1"), ("a", "M-2"), ("b", "M-1")]
    assert [news.of(topic, verdict(Status.QUARANTINED, name)) for topic, name in told] == [True, False, True, True]


def test_a_rounded_value_is_news_once_whatever_it_is_and_a_refusal_each_time() -> None:
    news = News()
    assert [news.of("a", verdict(Status.ROUNDED, value)) for value in ("1.5", "1.7")] == [True, False]
    assert [news.of("a", verdict(Status.REJECTED, "x")) for _ in range(2)] == [True, True]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.listen.news.KEPT", 3)
    news = News()
    for number in range(100):
        assert news.of("a", verdict(Status.QUARANTINED, f"M-{number}"))
    assert len(news._logged) <= 3
