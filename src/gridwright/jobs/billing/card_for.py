"""Find the rate card that a bill was made by: its id and version, wherever cards are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gridwright.domain.errors import GridwrightError, NotFound
from gridwright.domain.rate import RateCard
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.find_rate_card import find_rate_card, rate_card_names

CardOf = Callable[[UsagePoint], RateCard]


class BillCards:
    """Rate cards by the reference that bills carry, such as `res-tou@4`; each is looked for once."""

    def __init__(self, card_of: CardOf, folder: Path) -> None:
        self._card_of = card_of
        self._folder = folder
        self._known: dict[str, RateCard] | None = None

    def find(self, point: UsagePoint, reference: str) -> RateCard:
        """Return the card of that reference; a version that is not kept any more is NotFound."""
        try:
            own = self._card_of(point)
        except NotFound:
            own = None
        if own is not None and own.reference == reference:
            return own
        if self._known is None:
            self._known = {card.reference: card for card in self._every()}
        if reference not in self._known:
            raise NotFound(
                f"rate card {reference} is not there any more",
                where=str(self._folder),
                remedy="keep the version that a bill names under another file name; it is needed to correct the bill",
            )
        return self._known[reference]

    def _every(self) -> list[RateCard]:
        found = []
        for name in rate_card_names(self._folder):
            try:
                found.append(find_rate_card(name, self._folder))
            except GridwrightError:  # another card that cannot be read is no reason not to find this one
                continue
        return found
