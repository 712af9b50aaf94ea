"""ebIX 000101: which way a type of metering point counts, from the customer's side."""

from __future__ import annotations

from gridwright.domain.reading_type import Flow

# The others have no direction.
FLOWS = dict.fromkeys(("E17", "D07", "D10", "D12", "D14", "D15", "D17", "D22"), Flow.DELIVERED) | dict.fromkeys(
    ("E18", "D01", "D04", "D05", "D06", "D09", "D11", "D18", "D21"), Flow.RECEIVED
)
FLOWS |= dict.fromkeys(("D02", "D03", "D08", "D13", "D19", "D20", "D99", "E19", "E20"), Flow.NONE)
