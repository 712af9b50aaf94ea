"""Verify the store: compute every checksum, sum and count anew, and name what does not agree; nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from gridwright.billing import postings
from gridwright.billing.keyed import is_keyed
from gridwright.domain.access import Access
from gridwright.domain.errors import GridwrightError
from gridwright.jobs.upkeep.check_totals import check_totals
from gridwright.store import Store
from gridwright.store.archive.file import Shelf
from gridwright.store.checks.checks import BACKUP, Checked, Finder
from gridwright.store.checks.documents import DocumentRules
from gridwright.vee.ruleset import digest_of

Progress = Callable[[int, int], None]
# What reading a row raises that somebody else has written.
DAMAGE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


@dataclass(frozen=True, slots=True)
class Verified:
    """The checks, in order."""

    checks: tuple[Checked, ...]

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return all(check.ok for check in self.checks)


def verify_store(
    store: Store,
    access: Access,
    *,
    deep: bool = False,
    progress: Progress | None = None,
    shelf_of: Callable[[str], Shelf] = Shelf.at,
) -> Verified:
    """Check everything, and go on where something is found.

    `deep`: also every row in the archive, what the database still holds of archived months against it, and indexes.
    """
    more = _steps(store, access, progress)
    file = _survived("database file", lambda: [store.checks.file(access, deep=deep)])
    if not file[0].ok:  # pages that are damaged say nothing about what they hold
        return Verified(tuple(file))
    journal = _survived("journal", lambda: [store.checks.journal(access)])
    blocks = _survived("blocks", lambda: store.checks.blocks(access, more))
    return Verified(
        (
            *file,
            *journal,
            *_survived("audit chain", lambda: [_audit(store, access)]),
            *blocks,
            *(_survived("day totals", lambda: [check_totals(store, access)]) if blocks[0].ok else ()),
            *_survived("money", lambda: store.checks.money(access)),
            *_survived("bills", lambda: store.checks.documents(access, DocumentRules(is_keyed, postings))),
            *_survived("recorded", lambda: store.checks.told(access)),
            *_survived("rules", lambda: [store.checks.rules(access, _digest_of)]),
            *_survived("states", lambda: [store.checks.states(access)]),
            *_survived("references", lambda: store.checks.links(access)),
            *_survived("archive files", lambda: [store.checks.archive(access, shelf_of, deep=deep)]),
            *_survived("archived months", lambda: [store.checks.archived(access, shelf_of, deep=deep)]),
            *_survived("forgotten readings", lambda: store.checks.forgotten(access)),
            *_survived("sealed data", lambda: [store.checks.sealed(access)]),
        )
    )


def _steps(store: Store, access: Access, progress: Progress | None) -> Callable[[int], None]:
    """Return what counts blocks as they are done; nobody looking costs nothing."""
    if progress is None:
        return lambda _: None
    try:
        total, done = max(store.checks.rows(access), 1), 0
    except GridwrightError:  # too damaged to count: the checks will tell
        return lambda _: None

    def more(rows: int) -> None:
        nonlocal done
        done += rows
        progress(min(done, total), total)

    return more


def _survived(name: str, check: Callable[[], list[Checked]]) -> list[Checked]:
    """Return what a check found; that it could not go on is a fault of its own, and stops no other."""
    try:
        return check()
    except GridwrightError as error:
        return [Checked(name, 0, 1, (error.message,), error.remedy or BACKUP)]
    except DAMAGE as error:
        return [Checked(name, 0, 1, (f"it could not go on: {type(error).__name__}: {error}",), BACKUP)]


def _digest_of(text: str) -> tuple[str, str]:
    """Return the digest and the version of a set of rules as it was kept."""
    book = json.loads(text)
    return digest_of(book), str(book["version"])


def _audit(store: Store, access: Access) -> Checked:
    finder = Finder("audit chain", "someone has changed the database from outside; compare it with a backup")
    try:
        finder.looked_at = store.audit.verify(access)
    except GridwrightError as error:
        finder.fault(error.message)
    return finder.result()
