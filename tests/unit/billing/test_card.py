"""Rate cards: what is wrong is named with its path, what cannot be priced is refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from gridwright.domain.errors import RateError, RateRefused
from gridwright.domain.rate import Block, Channel, Ladder, Per, Percent, Price, Reduce, Scope
from tests.unit.billing.builders import HEAD, a_card

ENERGY = '[[charges]]\nid = "energy"\n'
CALENDAR = '[calendars.c]\nlabels = ["off", "peak"]\nweekday = [[' + "0, " * 23 + "1]]\n"
TWO = "price.blocks = [{ upto = 100, rate = 0.1 }, { rate = 0.2 }]\n"


def test_decimals_never_pass_through_a_float() -> None:
    card = a_card(ENERGY + "price.rate = 0.1234567\n")
    assert card.charges[0].price == Price((Ladder((Block(Decimal("0.1234567")),)),))
    assert card.reference == "t@1"


def test_everything_the_card_says_is_read() -> None:
    card = a_card(
        'name = "Home"\nclass = "residential"\ntz = "Europe/Berlin"\nvalid = [2026-01-01, 2027-01-01]\n'
        'supersedes = "t@0"\nsource = { url = "https://example.org/r.pdf", sha256 = "00" }\n'
        + CALENDAR
        + ENERGY
        + 'label = "Energy"\ngl = "4000"\ntax = ["vat"]\nround = { qty = 1, amount = 2, mode = "half_even" }\n'
        + 'quantity = { ch = "export", loss_factor = 1.02, when.calendar = "c", when.labels = ["peak"] }\n'
        + "price.rate = -0.08\n"
        + '[[charges]]\nid = "levy"\nprice = { of = ["energy"], pct = 5 }\n'
        + '[minimum]\namount = 5\n[[taxes]]\ncode = "vat"\nrate = 0.19\nfrom = 2026-01-01\n'
    )
    energy, levy = card.charges
    assert energy.determinant.channel is Channel.RECEIVED
    assert energy.determinant.labels == ("peak",)
    assert energy.determinant.multiplier == Decimal("1.02")
    assert energy.quantity_places == 1
    assert levy.price == Percent(("energy",), Decimal(5))
    assert card.taxes[0].base == ("energy",)
    assert card.minimum is not None
    assert card.minimum.includes == ("levy",)
    assert card.valid.end == date(2027, 1, 1)


def test_words_of_the_trade_are_understood_too() -> None:
    card = a_card(ENERGY + 'quantity = { ch = "received" }\nprice.rate = -0.1\n')
    assert card.charges[0].determinant.channel is Channel.RECEIVED
    fixed = a_card('[[charges]]\nid = "f"\nquantity.reduce = "one"\nprice.rate = 3\n')
    assert fixed.charges[0].determinant.channel is Channel.CUSTOMER
    assert fixed.charges[0].determinant.reduce is Reduce.ONE


def test_one_ladder_for_each_label() -> None:
    card = a_card(CALENDAR + ENERGY + 'quantity.when.calendar = "c"\nprice.scope = "label"\n' + TWO)
    price = card.charges[0].price
    assert isinstance(price, Price)
    assert [ladder.label for ladder in price.ladders] == ["off", "peak"]
    assert price.scope is Scope.LABEL
    assert price.ladders[0].blocks[0].per is Per.BILL


WRONG = [
    ("", "charges is missing", ""),
    ("verison = 1\n" + ENERGY, "tariff.verison is an unknown key", "did you mean version?"),
    (ENERGY + "price.rat = 0.3\n", "charges[0].price.rat is an unknown key", "did you mean rate?"),
    (ENERGY + "price.rate = '0.3'\n", "charges[0].price.rate is '0.3' but must be a number", "without quotes"),
    (ENERGY + "price.rate = true\n", "charges[0].price.rate is True", ""),
    (ENERGY + "price.rate = nan\n", "charges[0].price.rate is Decimal('NaN')", ""),
    (ENERGY + "price.rate = 0.123456789\n", "more than 8 decimals", ""),
    (ENERGY + "price = {}\n", "charges[0].price.rate gives nothing", "exactly one"),
    (ENERGY + "price = { rate = 1, blocks = [] }\n", "gives rate and blocks", ""),
    (
        ENERGY + "price.blocks = [{ upto = '5', rate = 1 }, { rate = 2 }]\n",
        "charges[0].price.blocks[0].upto is '5'",
        "",
    ),
    (ENERGY + "price.blocks = [{ upto = 5, rate = 1 }]\n", "charges[0].price.blocks[0].upto closes the last", "add"),
    (ENERGY + "price.blocks = [{ rate = 1 }, { rate = 2 }]\n", "charges[0].price.blocks[0].upto is missing", ""),
    (
        ENERGY + "price.blocks = [{ upto = 5, rate = 1 }, { upto = 5, rate = 2 }, { rate = 3 }]\n",
        "charges[0].price.blocks[1].upto is 5, not above",
        "",
    ),
    (ENERGY + "price.blocks = [{ upto = -1, rate = 1 }, { rate = 2 }]\n", "must be positive", ""),
    (ENERGY + "price.blocks = []\n", "charges[0].price.blocks has no blocks", ""),
    (ENERGY + "price.by_label = { peak = 1 }\n", "needs quantity.when.calendar", ""),
    (ENERGY + 'price = { of = ["power"], pct = 5 }\n', "charges[0].price.of[0] is 'power', which is no charge", "none"),
    (ENERGY + 'quantity.when.calendar = "d"\nprice.rate = 1\n', "is 'd', which the card lacks", "none"),
    (
        ENERGY + 'quantity.reduce = "summ"\nprice.rate = 1\n',
        "charges[0].quantity.reduce is 'summ'",
        "did you mean 'sum'?",
    ),
    (ENERGY + 'quantity = { ch = "customer" }\nprice.rate = 1\n', "sum does not go with ch = 'customer'", "count_days"),
    (ENERGY + "quantity.when.months = [13]\nprice.rate = 1\n", "months[0] is 13", ""),
    (ENERGY + "price.rate = 1\n" + ENERGY + "price.rate = 2\n", "charges[1].id 'energy' is taken", ""),
    (ENERGY + "price.rate = 1\ntax = ['gst']\n", "charges[0].tax names 'gst'", ""),
    (ENERGY + "price.rate = 1\nvalid = [2027-01-01, 2026-01-01]\n", "charges[0].valid must be", ""),
    (ENERGY + "price.rate = 1\nvalid = ['soon']\n", "charges[0].valid[0] is 'soon' but must be a date", ""),
    (ENERGY + "price.rate = 1\n[[taxes]]\ncode = 'v'\nrate = 19\n", "taxes[0].rate is 19", "write 19 % as 0.19"),
    (
        ENERGY + "price.rate = 1\n[minimum]\namount = 1\nincludes = ['x']\n",
        "minimum.includes[0] is 'x'",
        "charges: energy",
    ),
    ("[calendars.c]\nlabels = []\nweekday = []\n", "calendars.c.labels is []", ""),
    ("[calendars.c]\nlabels = ['a']\nweekday = [[0]]\n", "calendars.c.weekday[0] has 1 cells", "24"),
    (CALENDAR.replace("1]]", "2]]"), "calendars.c.weekday[0][23] is 2", ""),
    (CALENDAR + "holiday_as = 'sunday'\n", "calendars.c.holiday_as is 'sunday'", "weekend, weekday, off, peak"),
    (
        CALENDAR + "special = [{ dates = [2026-07-14], label = 'x' }]\n",
        "calendars.c.special[0].label is 'x'",
        "off, peak",
    ),
    (CALENDAR + "seasons = [{ from = '02-30', to = '03-01', weekday = [] }]\n", "seasons[0].weekday has 0 cells", ""),
]


@pytest.mark.parametrize(("text", "message", "remedy"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_named(text: str, message: str, remedy: str) -> None:
    with pytest.raises(RateError) as caught:
        a_card(text)
    assert message in caught.value.message
    assert remedy in caught.value.remedy + caught.value.message
    assert str(caught.value).startswith("card.toml: ")


REFUSED = [
    ("[metering]\nmode = 'net_kwh'\n", "metering", "export"),
    (ENERGY + "price.series = { feed = 'day-ahead' }\n", "charges[0].price.series", "give rate"),
    (
        ENERGY + "quantity.ratchet = { pct = 0.8 }\nprice.rate = 1\n",
        "charges[0].quantity.ratchet",
        "month's own maximum",
    ),
    (ENERGY + "quantity.net = { with = 'export' }\nprice.rate = 1\n", "charges[0].quantity.net", "export"),
    (ENERGY + "quantity.pf = { min = 0.9 }\nprice.rate = 1\n", "charges[0].quantity.pf", "reactive"),
    (ENERGY + "quantity.ch = 'kvarh'\nprice.rate = 1\n", "charges[0].quantity.ch", "import or export"),
    (ENERGY + "quantity.reduce = 'at_events'\nprice.rate = 1\n", "charges[0].quantity.reduce", "sum or max"),
    (ENERGY + "quantity = { reduce = 'max', window = { kind = 'sliding' } }\nprice.rate = 1\n", "window.kind", "block"),
    (ENERGY + "prorate = 'fraction'\nprice.rate = 1\n", "charges[0].prorate", "days"),
    (ENERGY + "price.reset = 'season'\n" + TWO, "charges[0].price.reset", "month"),
    (ENERGY + "price.blocks = [{ upto = 5, per = 'kW', rate = 1 }, { rate = 2 }]\n", "blocks[0].per", "day"),
    (ENERGY + "round = { amount = 3 }\nprice.rate = 1\n", "charges[0].round.amount", "2 decimals"),
    (CALENDAR + "special = [{ dates = 'cpp', label = 'peak' }]\n", "calendars.c.special[0].dates", "list the dates"),
    (CALENDAR + ENERGY + "quantity.when.calendar = 'c'\n" + TWO, "charges[0].price.scope", "pooled"),
]


@pytest.mark.parametrize(("text", "key", "remedy"), REFUSED, ids=[key for _, key, _ in REFUSED])
def test_what_cannot_be_priced_is_refused(text: str, key: str, remedy: str) -> None:
    with pytest.raises(RateRefused) as caught:
        a_card(text if "[[charges]]" in text else text + ENERGY + "price.rate = 1\n")
    assert key in caught.value.message
    assert remedy in caught.value.remedy


def test_pooled_ladders_have_one_set_of_limits() -> None:
    ladders = "off = [{ upto = 5, rate = 1 }, { rate = 2 }]\npeak = [{ upto = 6, rate = 1 }, { rate = 2 }]\n"
    text = CALENDAR + ENERGY + 'quantity.when.calendar = "c"\nprice.scope = "pooled"\n[charges.price.label_blocks]\n'
    with pytest.raises(RateError, match="other limits than off"):
        a_card(text + ladders)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("", "tariff is missing"),
        ("[tariff", "is no TOML"),
        (HEAD.replace("EUR", "euro"), "ISO 4217"),
        (HEAD.replace("1", "1.5"), "tariff.version is Decimal('1.5') but must be a whole number"),
        (HEAD + 'tz = "Mars/Olympus"\n', "tariff.tz is 'Mars/Olympus'"),
    ],
)
def test_the_head_is_checked(head: str, message: str) -> None:
    with pytest.raises(RateError) as caught:
        a_card(ENERGY + "price.rate = 1\n" if head.endswith("\n") or not head else "", head=head)
    assert message in str(caught.value)
