"""Validation, estimation and editing: raw panels in, trusted panels and findings out."""

from gridwright.vee.arrivals import duplicate_findings, future_findings, intake_findings, off_grid_findings
from gridwright.vee.estimate import Estimation, Ladder, estimate
from gridwright.vee.registers import Registers
from gridwright.vee.ruleset import RULES_COMMERCIAL, RULES_RESIDENTIAL, RuleSet
from gridwright.vee.validate import Validation, validate

__all__ = [
    "RULES_COMMERCIAL",
    "RULES_RESIDENTIAL",
    "Estimation",
    "Ladder",
    "Registers",
    "RuleSet",
    "Validation",
    "duplicate_findings",
    "estimate",
    "future_findings",
    "intake_findings",
    "off_grid_findings",
    "validate",
]
