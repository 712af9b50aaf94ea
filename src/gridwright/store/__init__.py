"""Registry, readings, findings, bills and audit records in one database; the only place that speaks SQL."""

from gridwright.store.answers import StoredAnswer
from gridwright.store.audit import AuditRecord
from gridwright.store.days.appending import Near, Newest
from gridwright.store.days.laying import Single
from gridwright.store.days.saving import NOTHING_SAVED, SaveSummary
from gridwright.store.dirty import DirtyRange
from gridwright.store.field.exchange_reads import WrittenRead
from gridwright.store.field.outlooks import Outlook
from gridwright.store.findings import FindingFilter, StoredFinding
from gridwright.store.imports import Progress
from gridwright.store.money.ledger import IssuedBill
from gridwright.store.old_rows import OldRows
from gridwright.store.readings import Freshness, Series, Version
from gridwright.store.store import Store, open_store

__all__ = [
    "NOTHING_SAVED",
    "AuditRecord",
    "DirtyRange",
    "FindingFilter",
    "Freshness",
    "IssuedBill",
    "Near",
    "Newest",
    "OldRows",
    "Outlook",
    "Progress",
    "SaveSummary",
    "Series",
    "Single",
    "Store",
    "StoredAnswer",
    "StoredFinding",
    "Version",
    "WrittenRead",
    "open_store",
]
