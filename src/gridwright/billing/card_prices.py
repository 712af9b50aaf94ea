"""The `quantity` and `price` of a charge: what is counted, and the ladders it is priced by."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import pairwise

from gridwright.billing.table import Table
from gridwright.domain.rate import (
    Allocate,
    Block,
    Channel,
    Determinant,
    Ladder,
    Per,
    Percent,
    Price,
    Reduce,
    Scope,
    TierMode,
    TouCalendar,
)

Calendars = tuple[TouCalendar, ...]
MAX_PRICE_PLACES = 8
WINDOW = re.compile(r"^(15|30|60)m$")
DAY_CHANNELS = (Channel.CUSTOMER, Channel.CONTRACT)
QUANTITY_REFUSED = {
    "net": 'bill what was received by its own charge, ch = "export" with a negative rate',
    "pf": "a power factor clause needs reactive energy; leave it out and bill it apart",
    "ratchet": "a ratchet needs the peaks of earlier months; bill the month's own maximum or leave it out",
}
PRICE_REFUSED = {"series": "price series are not connected; give rate, by_label or blocks"}
CHANNEL_WORDS = {"delivered": "import", "received": "export"}
FORMS = ("rate", "by_label", "blocks", "label_blocks")


def read_quantity(table: Table, calendars: Calendars) -> Determinant:
    """Read what a charge counts; channels and reductions that need more than energy readings are refused."""
    table.only("ch", "when", "reduce", "multiplier", "loss_factor", "window", "floor_kw", refused=QUANTITY_REFUSED)
    channel, reduce = _channel(table), _reduce(table)
    if (channel in DAY_CHANNELS) != (reduce in (Reduce.COUNT_DAYS, Reduce.ONE)):
        raise table.fail("reduce", f"{reduce.value} does not go with ch = {channel.value!r}", _fitting(channel))
    when = table.table("when").only("calendar", "labels", "months")
    if channel in DAY_CHANNELS and when.has("calendar"):
        raise when.fail("calendar", f"does not go with ch = {channel.value!r}, which has no intervals")
    calendar, labels = _labels(when, calendars)
    return Determinant(
        channel=channel,
        reduce=reduce,
        calendar=calendar,
        labels=labels,
        months=_months(when),
        multiplier=_factor(table, "multiplier") * _factor(table, "loss_factor"),
        window_minutes=_window(table),
        floor_kw=table.decimal("floor_kw", Decimal(0)),
    )


def _fitting(channel: Channel) -> str:
    return "use count_days or one" if channel in DAY_CHANNELS else "use sum or max"


def _channel(table: Table) -> Channel:
    counts = table.data.get("reduce") in ("one", "count_days")
    word = table.text("ch", "customer" if counts else "import")
    word = CHANNEL_WORDS.get(word, word)
    if word in ("net", "generation", "kvarh", "kvah"):
        raise table.refuse("ch", f"is {word!r}, which this version does not read", "use import or export")
    return Table({"ch": word}, table.path, table.where).choice("ch", Channel)


def _reduce(table: Table) -> Reduce:
    word = table.text("reduce", "sum")
    if word.startswith("mean_top") or word == "at_events":
        raise table.refuse("reduce", f"is {word!r}, which this version does not compute", "use sum or max")
    return table.choice("reduce", Reduce, Reduce.SUM)


def _factor(table: Table, key: str) -> Decimal:
    value = table.decimal(key, Decimal(1))
    if value <= 0:
        raise table.fail(key, f"is {value} but must be positive")
    return value


def _window(table: Table) -> int:
    window = table.table("window").only("length", "kind")
    if window.text("kind", "block") != "block":
        raise window.refuse("kind", f"is {window.data['kind']!r}", 'use kind = "block"')
    length = window.text("length", "15m")
    if not (found := WINDOW.match(length)):
        raise window.fail("length", f"is {length!r}", "one of 15m, 30m, 60m")
    return int(found[1])


def _labels(when: Table, calendars: Calendars) -> tuple[str, tuple[str, ...]]:
    name, labels = when.text("calendar", ""), when.texts("labels")
    if not name:
        if labels:
            raise when.fail("calendar", "is missing though labels are given")
        return "", ()
    known = next((calendar.labels for calendar in calendars if calendar.id == name), None)
    if known is None:
        names = ", ".join(calendar.id for calendar in calendars) or "none"
        raise when.fail("calendar", f"is {name!r}, which the card lacks", f"calendars here: {names}")
    for index, label in enumerate(labels):
        if label not in known or label in labels[:index]:
            raise when.fail(f"labels[{index}]", f"is {label!r}", f"name each of {', '.join(known)} at most once")
    return name, labels or known


def _months(when: Table) -> tuple[int, ...]:
    months = when.integers("months")
    for index, month in enumerate(months):
        if not 1 <= month <= 12:  # noqa: PLR2004 - December
            raise when.fail(f"months[{index}]", f"is {month} but must be 1 to 12")
    return months


def read_price(table: Table, determinant: Determinant, earlier: tuple[str, ...]) -> Price | Percent:
    """Read how a charge is priced; `earlier` are the charges above, the only ones a percentage may refer to."""
    if table.has("of") or table.has("pct"):
        return _percent(table, earlier)
    table.only(*FORMS, "scope", "allocate", "mode", "reset", refused=PRICE_REFUSED)
    given = [form for form in FORMS if table.has(form)]
    if len(given) != 1:
        found = " and ".join(given) or "nothing"
        raise table.fail(given[-1] if given else "rate", f"gives {found}", f"give exactly one of {', '.join(FORMS)}")
    ladders = _ladders(table, given[0], determinant)
    if determinant.reduce is not Reduce.SUM and (len(ladders) > 1 or len(ladders[0].blocks) > 1):
        raise table.refuse(given[0], f"goes with reduce = sum only, not {determinant.reduce.value}", "give a rate")
    return Price(
        ladders=ladders,
        scope=_scope(table, given[0], determinant),
        allocate=table.choice("allocate", Allocate, Allocate.PROPORTIONAL),
        mode=table.choice("mode", TierMode, TierMode.GRADUATED),
        reset=_reset(table, ladders),
    )


def _percent(table: Table, earlier: tuple[str, ...]) -> Percent:
    table.only("of", "pct")
    of = table.texts("of")
    if not of:
        raise table.fail("of", "must name the charges the percentage is taken of")
    for index, name in enumerate(of):
        if name not in earlier:
            above = ", ".join(earlier) or "none"
            raise table.fail(f"of[{index}]", f"is {name!r}, which is no charge above", f"charges above: {above}")
    return Percent(of, table.decimal("pct"))


def _reset(table: Table, ladders: tuple[Ladder, ...]) -> Per:
    if table.data.get("reset") == "season":
        raise table.refuse("reset", "is 'season'", "use bill, month or year")
    reset = table.choice("reset", Per, Per.BILL)
    if reset is Per.DAY:
        raise table.fail("reset", "is 'day'", "use bill, month or year")
    limited = {block.per for ladder in ladders for block in ladder.blocks if block.upto is not None}
    if reset is Per.YEAR and limited - {Per.BILL}:
        raise table.fail(
            "reset", "is 'year', but a limit is per day or month", "leave per out: limits are per year then"
        )
    return reset


def _ladders(table: Table, form: str, determinant: Determinant) -> tuple[Ladder, ...]:
    if form == "rate":
        return (Ladder((Block(_rate(table, "rate")),)),)
    if form == "blocks":
        ladder = Ladder(_blocks(table, "blocks"))
        if table.data.get("scope") == "label":
            return tuple(Ladder(ladder.blocks, label) for label in determinant.labels) or (ladder,)
        return (ladder,)
    prices = table.table(form)
    _same_labels(prices, determinant)
    if form == "by_label":
        return tuple(Ladder((Block(_rate(prices, label)),), label) for label in determinant.labels)
    return tuple(Ladder(_blocks(prices, label), label) for label in determinant.labels)


def _same_labels(prices: Table, determinant: Determinant) -> None:
    if not determinant.labels:
        raise prices.fail("", "needs quantity.when.calendar, which says when each label holds")
    prices.only(*determinant.labels)
    for label in determinant.labels:
        prices.need(label)


def _rate(table: Table, key: str) -> Decimal:
    rate = table.decimal(key)
    exponent = rate.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > MAX_PRICE_PLACES:
        raise table.fail(key, f"is {rate}, with more than {MAX_PRICE_PLACES} decimals")
    return rate


def _blocks(table: Table, key: str) -> tuple[Block, ...]:
    rows = table.tables(key)
    if not rows:
        raise table.fail(key, "has no blocks")
    blocks = tuple(_block(row, last=index == len(rows) - 1) for index, row in enumerate(rows))
    if len({block.per for block in blocks[:-1]}) > 1:
        raise table.fail(key, "mixes limits per bill, day and month", "use one of them throughout")
    limits = [block.upto for block in blocks if block.upto is not None]
    for index, (low, high) in enumerate(pairwise(limits)):
        if high <= low:
            raise table.fail(f"{key}[{index + 1}].upto", f"is {high}, not above the block before ({low})")
    return blocks


def _block(row: Table, *, last: bool) -> Block:
    row.only("upto", "per", "rate")
    if row.data.get("per") in ("kW", "kWh_contract"):
        raise row.refuse("per", f"is {row.data['per']!r}", "use bill, day or month")
    per = row.choice("per", Per, Per.BILL)
    if per is Per.YEAR:
        raise row.fail("per", "is 'year'", 'use per = "bill" with price.reset = "year"')
    if not last and not row.has("upto"):
        raise row.fail("upto", "is missing; only the last block is endless")
    if last and row.has("upto"):
        raise row.fail("upto", "closes the last block, so use beyond it has no price", "add a block without upto")
    upto = row.decimal("upto") if row.has("upto") else None
    if upto is not None and upto <= 0:
        raise row.fail("upto", f"is {upto} but must be positive")
    return Block(_rate(row, "rate"), upto, per)


def _scope(table: Table, form: str, determinant: Determinant) -> Scope:
    meet = form == "label_blocks" or (form == "blocks" and len(determinant.labels) > 1)
    if meet and not table.has("scope"):
        raise table.refuse(
            "scope",
            "is missing: blocks and labels meet, and the two readings give different bills",
            'say scope = "pooled" (all labels climb one ladder) or "label" (each its own)',
        )
    scope = table.choice("scope", Scope, Scope.POOLED)
    if form == "label_blocks" and scope is Scope.POOLED:
        _same_limits(table, determinant)
    return scope


def _same_limits(table: Table, determinant: Determinant) -> None:
    prices = table.table("label_blocks")
    limits = {label: [(block.upto, block.per) for block in _blocks(prices, label)][:-1] for label in determinant.labels}
    first = determinant.labels[0]
    for label, own in limits.items():
        if own != limits[first]:
            raise prices.fail(label, f"has other limits than {first}, but a pooled ladder has one set of limits")
