"""Customer classes: which there are, and which groups of rules are for them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gridwright.api.door import Staff
from gridwright.api.listing import Page, listed
from gridwright.api.shapes.points import ClassShape

router = APIRouter(tags=["Usage points"])


@router.get("/customer-classes", summary="List customer classes", response_model=Page[ClassShape])
def list_classes(request: Request, platform: Staff) -> Response:
    """Return the customer classes that a usage point may have, with the groups of validation rules that name them."""
    book = platform.rule_book()
    groups = {
        name: [group.rules.name for group in book.groups if name in group.customer_classes] for name in book.classes
    }
    return listed(request, [ClassShape(name=name, groups=several) for name, several in groups.items()])
