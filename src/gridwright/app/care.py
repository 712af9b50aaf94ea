"""What the settings say of looking after the data: the archive, backups."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gridwright.app.platform import Platform
    from gridwright.jobs.archive_months import Policy


def archive_policy(platform: Platform) -> Policy:
    """Return where closed months go, and when."""
    from gridwright.jobs.archive_months import Policy

    chosen = platform.settings.archive
    return Policy(chosen.to, chosen.after_months, chosen.keep_months)
