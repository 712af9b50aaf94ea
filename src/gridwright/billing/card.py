"""Reading a rate card from TOML; money never passes through a float (reference catalogue, meter to cash, B2)."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from decimal import Decimal

from gridwright.billing.card_calendars import read_calendars
from gridwright.billing.card_prices import read_price, read_quantity
from gridwright.billing.table import Table, as_date
from gridwright.domain.errors import GridwrightError, RateError
from gridwright.domain.interval import zone_of
from gridwright.domain.money import Rounding, minor_unit
from gridwright.domain.rate import (
    ALWAYS,
    Channel,
    Charge,
    DateRange,
    Determinant,
    Minimum,
    Per,
    Percent,
    Prorate,
    RateCard,
    Reduce,
    Tax,
    TouCalendar,
)

CARD_REFUSED = {
    "metering": 'net metering is not priced; bill what was received by its own charge, ch = "export", negative rate'
}
MINIMUM = "minimum"
MAX_QUANTITY_PLACES = 6


def parse_rate_card(text: str, *, where: str) -> RateCard:
    """Read one version of one tariff; `where` names the file in errors.

    A wrong key, type or value is a RateError that names its path, such as `charges[1].price.blocks[0].upto`; what the
    grammar knows but this version cannot price is RateRefused with what to do instead.
    """
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise RateError(f"is no TOML: {error}", where=where, remedy="see the rate card reference") from error
    card = Table(data, "", where).only("tariff", "calendars", "charges", "minimum", "taxes", refused=CARD_REFUSED)
    head = _head(card)
    calendars = read_calendars(card)
    currency = _currency(head)
    charges = _charges(card, calendars, currency)
    taxes = _taxes(card, charges)
    return RateCard(
        id=head.text("id"),
        version=head.integer("version"),
        name=head.text("name", "") or head.text("id"),
        currency=currency,
        charges=charges,
        calendars=calendars,
        taxes=taxes,
        minimum=_minimum(card, charges),
        zone=_zone(head),
        valid=_valid(head),
        customer_class=head.text("class", ""),
        supersedes=head.text("supersedes", ""),
        source=head.table("source").only("url", "sha256").text("url", ""),
        example=head.flag("example", default=False),
    )


def _head(card: Table) -> Table:
    card.need("tariff")
    return card.table("tariff").only(
        "id", "version", "name", "class", "currency", "tz", "valid", "supersedes", "source", "example"
    )


def _currency(head: Table) -> str:
    currency = head.text("currency")
    if len(currency) != 3 or not currency.isalpha() or not currency.isupper():  # noqa: PLR2004 - ISO 4217
        raise head.fail("currency", f"is {currency!r} but must be an ISO 4217 code", "write it like EUR")
    return currency


def _zone(head: Table) -> str:
    zone = head.text("tz", "")
    try:
        return zone_of(zone).key if zone else ""
    except GridwrightError as error:
        raise head.fail("tz", f"is {zone!r}, an unknown time zone", error.remedy) from error


def _valid(table: Table) -> DateRange:
    if not table.has("valid"):
        return ALWAYS
    dates = [as_date(table, f"valid[{index}]", value) for index, value in enumerate(table.listed("valid"))]
    if len(dates) not in (1, 2) or dates != sorted(set(dates)):
        raise table.fail("valid", "must be [from] or [from, to) in order of time")
    return DateRange(dates[0], dates[1] if len(dates) > 1 else None)


def _charges(card: Table, calendars: tuple[TouCalendar, ...], currency: str) -> tuple[Charge, ...]:
    card.need("charges")
    charges: list[Charge] = []
    for table in card.tables("charges"):
        charge = _charge(table, calendars, tuple(above.id for above in charges), currency)
        for above in charges:
            if above.id == charge.id and above.valid.overlaps(charge.valid):
                raise table.fail("id", f"{charge.id!r} is taken by another charge valid at the same time")
        charges.append(charge)
    if not charges:
        raise card.fail("charges", "is empty")
    return tuple(charges)


def _charge(table: Table, calendars: tuple[TouCalendar, ...], above: tuple[str, ...], currency: str) -> Charge:
    table.only("id", "label", "applies", "valid", "prorate", "round", "tax", "gl", "quantity", "price")
    if (name := table.text("id")) == MINIMUM:
        raise table.fail("id", f"{MINIMUM!r} is kept for the account's minimum", "choose another id")
    table.need("price")
    determinant = read_quantity(table.table("quantity"), calendars)
    price = read_price(table.table("price"), determinant, above)
    if isinstance(price, Percent) and table.has("quantity"):
        raise table.fail("quantity", "does not go with a percentage, whose quantity is the lines it refers to")
    rounding, places = _round(table, currency)
    return Charge(
        id=name,
        text=table.text("label", "") or name,
        price=price,
        determinant=determinant,
        prorate=_prorate(table, determinant),
        rounding=rounding,
        quantity_places=places,
        taxes=table.texts("tax"),
        ledger_account=table.text("gl", "revenue"),
        valid=_valid(table),
        applies=_applies(table.table("applies")),
    )


def _prorate(table: Table, determinant: Determinant) -> Prorate:
    if table.data.get("prorate") == "fraction":
        raise table.refuse("prorate", "is 'fraction'", "use days or none")
    # A month's peak is not smaller because the bill ends on the 20th.
    usual = Prorate.NONE if determinant.reduce is Reduce.MAX else Prorate.DAYS
    return table.choice("prorate", Prorate, usual)


def _round(table: Table, currency: str) -> tuple[Rounding, int]:
    rule = table.table("round").only("qty", "amount", "mode")
    places = rule.integer("qty", 3)
    if not 0 <= places <= MAX_QUANTITY_PLACES:
        raise rule.fail("qty", f"is {places} but must be 0 to {MAX_QUANTITY_PLACES}")
    usual = -int(minor_unit(currency).as_tuple().exponent)
    if rule.integer("amount", usual) != usual:
        raise rule.refuse("amount", f"is {rule.data['amount']}", f"amounts in {currency} have {usual} decimals")
    return rule.choice("mode", Rounding, Rounding.HALF_UP), places


def _applies(table: Table) -> dict[str, str | bool]:
    for key, value in table.data.items():
        if not isinstance(value, str | bool):
            raise table.fail(key, f"is {value!r} but must be a text, true or false")
    return dict(table.data)


def _taxes(card: Table, charges: Sequence[Charge]) -> tuple[Tax, ...]:
    taxes = tuple(_tax(table, charges) for table in card.tables("taxes"))
    codes = {tax.code for tax in taxes}
    for index, charge in enumerate(charges):
        for code in charge.taxes:
            if code not in codes:
                raise card.fail(f"charges[{index}].tax", f"names {code!r}, which no [[taxes]] defines")
    return taxes


def _tax(table: Table, charges: Sequence[Charge]) -> Tax:
    table.only("code", "label", "rate", "base", "exempt_if", "compound", "from", "to")
    code, rate = table.text("code"), table.decimal("rate")
    if not 0 <= rate <= 1:
        raise table.fail("rate", f"is {rate} but must be a share from 0 to 1", "write 19 % as 0.19")
    marked = tuple(dict.fromkeys(charge.id for charge in charges if code in charge.taxes))
    known = (*(charge.id for charge in charges), MINIMUM)
    base = _known_charges(table, "base", known) or marked or tuple(dict.fromkeys(known))
    return Tax(
        code=code,
        rate=rate,
        base=base,
        text=table.text("label", "") or code.upper(),
        compound=table.flag("compound", default=False),
        exempt_if=table.text("exempt_if", ""),
        valid=DateRange(table.day("from"), table.day("to")),
    )


def _known_charges(table: Table, key: str, known: Sequence[str]) -> tuple[str, ...]:
    names = table.texts(key)
    for index, name in enumerate(names):
        if name not in known:
            raise table.fail(f"{key}[{index}]", f"is {name!r}, which is no charge", f"charges: {', '.join(known)}")
    return names


def _minimum(card: Table, charges: Sequence[Charge]) -> Minimum | None:
    if not card.has("minimum"):
        return None
    table = card.table("minimum").only("amount", "per", "includes")
    names = tuple(dict.fromkeys(c.id for c in charges if c.determinant.channel is not Channel.RECEIVED))
    includes = _known_charges(table, "includes", [charge.id for charge in charges])
    return Minimum(table.decimal("amount"), table.choice("per", Per, Per.MONTH), includes or names)
