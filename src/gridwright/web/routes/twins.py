"""A page at three addresses: itself, and its JSON and CSV twins."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from starlette.responses import Response


def add_page(router: APIRouter, path: str, endpoint: Callable[..., Response]) -> None:
    """Answer at `path`, `path.json` and `path.csv`; the twins come first, for a name may contain a dot."""
    for ending in (".json", ".csv", ""):
        router.add_api_route(f"{path}{ending}", endpoint, methods=["GET"])
