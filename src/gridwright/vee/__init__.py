"""Validation, estimation and editing: raw panels in, trusted panels and findings out."""

from gridwright.vee.agreed import lay_agreed
from gridwright.vee.arrivals import duplicate_findings, future_findings, intake_findings, off_grid_findings
from gridwright.vee.check_meter import CheckMeter
from gridwright.vee.circumstances import Circumstances
from gridwright.vee.estimate import Estimation, estimate
from gridwright.vee.history import DayHistory
from gridwright.vee.ladder import Ladder, Ladders, ladders_from
from gridwright.vee.registers import Registers
from gridwright.vee.rulebook import RULES_COMMERCIAL, RULES_RESIDENTIAL, packaged, rule_book
from gridwright.vee.ruleset import RuleBook, RuleSet, Source
from gridwright.vee.scalar import estimate_read
from gridwright.vee.seams import close_over_seams
from gridwright.vee.tou import Bucket, buckets_from
from gridwright.vee.validate import Validation, Verdict, judge, validate

__all__ = [
    "RULES_COMMERCIAL",
    "RULES_RESIDENTIAL",
    "Bucket",
    "CheckMeter",
    "Circumstances",
    "DayHistory",
    "Estimation",
    "Ladder",
    "Ladders",
    "Registers",
    "RuleBook",
    "RuleSet",
    "Source",
    "Validation",
    "Verdict",
    "buckets_from",
    "close_over_seams",
    "duplicate_findings",
    "estimate",
    "estimate_read",
    "future_findings",
    "intake_findings",
    "judge",
    "ladders_from",
    "lay_agreed",
    "off_grid_findings",
    "packaged",
    "rule_book",
    "validate",
]
