"""Billing: rate card → determinants → charges → lines → bill → ledger."""

from gridwright.billing.card import parse_rate_card
from gridwright.billing.coarse import Coarse, require_prices
from gridwright.billing.determinants import Determinants, determinants
from gridwright.billing.example import example_card
from gridwright.billing.explain import explain
from gridwright.billing.labels import compile_labels, holiday_dates
from gridwright.billing.ledger import credit_note, postings
from gridwright.billing.price_terms import price_terms
from gridwright.billing.rating import ENGINE, rate, rate_all
from gridwright.billing.spans import billing_span, month_starts

__all__ = [
    "ENGINE",
    "Coarse",
    "Determinants",
    "billing_span",
    "compile_labels",
    "credit_note",
    "determinants",
    "example_card",
    "explain",
    "holiday_dates",
    "month_starts",
    "parse_rate_card",
    "postings",
    "price_terms",
    "rate",
    "rate_all",
    "require_prices",
]
