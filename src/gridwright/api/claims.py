"""Claims as a list has them over HTTP: each read by itself, for one that is none has a verdict and costs no other."""

from __future__ import annotations

from decimal import Decimal

from pydantic import ValidationError

from gridwright.api.ingest.verdicts import shown
from gridwright.api.shapes.people import ClaimLine
from gridwright.domain.errors import InputError
from gridwright.jobs.meters.claim_list import ListedClaim

BODY = 'send {"meter": …, "usage_point": …}'


def listed_claim(line: int, item: object) -> ListedClaim:
    """Return an item of a list as a claim; one that cannot be holds why."""
    try:
        asked = ClaimLine.model_validate(item)
    except ValidationError as error:
        first = error.errors()[0]
        field = shown(".".join(map(str, first["loc"]))) or "claim"
        named = "" if not first["loc"] or first["type"] == "missing" else f": {shown(first['input'])!r}"
        fault = InputError(f"{first['msg'].removeprefix('Value error, ')}{named}", where=field, remedy=BODY)
        return ListedClaim(line, _said(item, "meter"), _said(item, "usage_point"), fault=fault)
    multiplier, since = Decimal(asked.multiplier), asked.since.isoformat() if asked.since else ""
    zero = InputError("a factor of 0 makes every reading 0", where="multiplier", remedy="leave it out for none")
    place = asked.meter, asked.usage_point
    return ListedClaim(line, *place, since, multiplier, asked.channel, None if multiplier else zero)


def _said(item: object, name: str) -> str:
    return shown(item.get(name)) if isinstance(item, dict) else ""
