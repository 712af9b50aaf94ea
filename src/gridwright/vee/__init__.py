"""Validation, estimation and editing: raw panels in, trusted panels and findings out."""

from gridwright.vee.ruleset import RULES_COMMERCIAL, RULES_RESIDENTIAL, RuleSet
from gridwright.vee.validate import Validation, validate

__all__ = ["RULES_COMMERCIAL", "RULES_RESIDENTIAL", "RuleSet", "Validation", "validate"]
