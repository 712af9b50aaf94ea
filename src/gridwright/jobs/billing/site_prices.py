"""What a kWh costs at a usage point, interval by interval, by its rate card and its usual use."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from gridwright.billing import price_terms
from gridwright.domain.panel import Panel
from gridwright.domain.rate import PriceTerms, RateCard
from gridwright.domain.usage_point import UsagePoint

HOURS_A_MONTH = 730.5


def site_prices(panel: Panel, card: RateCard, usage_point: UsagePoint, start: datetime, slots: int) -> PriceTerms:
    """Return the marginal prices of `slots` intervals from `start` on, on the panel's grid.

    A ladder is priced at the block that the mean monthly use of `panel` (one row) reaches.
    """
    hours = panel.slots * panel.interval / timedelta(hours=1)
    monthly = float(np.nansum(panel.kwh)) / max(hours, 1) * HOURS_A_MONTH
    return price_terms(
        card,
        start,
        panel.interval,
        slots,
        usage_point.zone,
        monthly_kwh=Decimal(round(monthly)),
        usage_point=usage_point,
    )
