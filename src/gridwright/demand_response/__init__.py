"""Demand response: baselines by named rules, what an event delivered, and what is paid for it."""

from gridwright.demand_response.baseline import Baseline, baseline
from gridwright.demand_response.like_days import LikeDays, like_days
from gridwright.demand_response.performance import Delivered, Uncertainty, measure, performance, uncertainty
from gridwright.demand_response.rules import BASELINES, Adjustment, BaselineRule, DayChoice, baseline_rule
from gridwright.demand_response.settle import (
    LEDGER_ACCOUNT,
    Portfolio,
    Settlement,
    credit,
    performance_dict,
    portfolio_of,
    settle,
    statement_hash,
)

__all__ = [
    "BASELINES",
    "LEDGER_ACCOUNT",
    "Adjustment",
    "Baseline",
    "BaselineRule",
    "DayChoice",
    "Delivered",
    "LikeDays",
    "Portfolio",
    "Settlement",
    "Uncertainty",
    "baseline",
    "baseline_rule",
    "credit",
    "like_days",
    "measure",
    "performance",
    "performance_dict",
    "portfolio_of",
    "settle",
    "statement_hash",
    "uncertainty",
]
