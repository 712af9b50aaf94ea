"""ETag and If-Match: an edit goes through only if what it was made from is still there."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import Annotated

from fastapi import Header
from pydantic import BaseModel

from gridwright.api.parameters import PLAIN
from gridwright.api.problems import RequestRefused

IfMatch = Annotated[str, Header(alias="If-Match", max_length=600, pattern=PLAIN, description="ETag of what is edited.")]
IfNoneMatch = Annotated[
    str, Header(alias="If-None-Match", max_length=600, pattern=PLAIN, description="`*`: only if there is none yet.")
]


def etag(shape: BaseModel) -> str:
    """Return the entity tag of what a GET shows."""
    return f'"{hashlib.sha256(shape.model_dump_json(by_alias=True).encode()).hexdigest()[:32]}"'


def check(current: BaseModel | None, if_match: str, if_none_match: str) -> None:
    """Let an edit of `current` (None = not there yet) through, or answer 428 or 412."""
    if not if_match and not if_none_match:
        raise RequestRefused(
            HTTPStatus.PRECONDITION_REQUIRED,
            "an edit must say what it is made from",
            remedy="send If-Match with the ETag of the last GET, or If-None-Match: * to make a new one",
        )
    # A proxy that compresses makes a tag weak; ours tells the content itself, so that it is the same one.
    tags = [tag.strip().removeprefix("W/") for tag in if_match.split(",")]
    fits_match = not if_match or (current is not None and ("*" in tags or etag(current) in tags))
    if not fits_match or (if_none_match and current is not None):
        raise RequestRefused(
            HTTPStatus.PRECONDITION_FAILED,
            "it is not as you saw it: somebody has changed it, or it is there (or gone) already",
            remedy="get it again and repeat the edit on that",
        )
