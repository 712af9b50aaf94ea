"""Who looks at a page: their access, what their role may see, and the token that binds a form to their session."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from gridwright.api.authenticate import access_of, credential_of
from gridwright.api.door import is_same_site
from gridwright.app import Platform
from gridwright.domain.access import ALLOWED, Access, Act, Role
from gridwright.domain.errors import AccessDenied, InputError

CSRF = "csrf"
MAX_FORM = 1 << 20
STAFF_PAGES = (
    ("/today", "Today"),
    ("/usage-points", "Usage points"),
    ("/exceptions", "Exceptions"),
    ("/corrections", "Corrections"),
    ("/controls", "Controls"),
    ("/events", "Events"),
    ("/grid", "Grid"),
)
NEEDS = {"/corrections": Act.READ_BILLS}
OWN_PAGES = (("/my-energy", "My energy"),)


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in person: the platform that speaks for them, and the token their forms must carry."""

    platform: Platform
    csrf: str = field(repr=False)

    @property
    def access(self) -> Access:
        """What they may see and do."""
        return self.platform.access

    @property
    def pages(self) -> tuple[tuple[str, str], ...]:
        """Address and name of the pages their role may see."""
        every = STAFF_PAGES if self.access.points is None else OWN_PAGES
        return tuple(each for each in every if self.may(NEEDS.get(each[0], Act.READ)))

    def seal(self, text: str) -> dict[str, str]:
        """Return what an address carries to tell on the next page what was done."""
        return {"done": text, "seal": hmac.new(self.csrf.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]}

    def unseal(self, done: str, seal: str) -> str:
        """Return what was done; nothing where somebody else has written it into the address."""
        return done if hmac.compare_digest(self.seal(done)["seal"].encode(), seal.encode()) else ""

    def may(self, act: Act) -> bool:
        """Tell whether their role allows an act."""
        return act in ALLOWED[self.access.role]


def form_token(token: str) -> str:
    """Return the token that forms of a session carry; it cannot be made without the session's own."""
    return hmac.new(token.encode(), b"gridwright form", hashlib.sha256).hexdigest()


def viewer(request: Request) -> Viewer:
    """Return who asks for a page; NotAuthenticated sends them to sign in."""
    platform: Platform = request.app.state.platform
    access = access_of(request.headers.raw, platform)
    if access.role is Role.DEVICE:
        raise AccessDenied("a device's key opens no page", remedy="sign in as a person")
    found = Viewer(platform.for_access(access), form_token(credential_of(request.headers.raw).token))
    request.state.viewer = found
    return found


def staff_viewer(request: Request) -> Viewer:
    """Return who asks for a page of the whole town; a customer is denied."""
    found = viewer(request)
    if found.access.points is not None:
        raise AccessDenied("this page shows the whole town", remedy="your own energy is under My energy")
    return found


@dataclass(frozen=True, slots=True)
class Form:
    """What a form of one of our own pages sent."""

    fields: dict[str, list[str]]

    def text(self, name: str) -> str:
        """Return a field, empty when it was not filled in."""
        return (self.fields.get(name) or [""])[0].strip()

    def all(self, name: str) -> list[str]:
        """Return every value of a field that occurs several times."""
        return self.fields.get(name, [])


async def own_form(request: Request) -> Form:
    """Return a form that came from our own page; its origin is checked, a session's token not yet."""
    if not is_same_site(request.scope) or not _is_own_origin(request):
        raise AccessDenied("this form comes from another site", remedy="open the page here and send it again")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            raise InputError("the form is too large", remedy="select fewer at once")
    return Form(parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=5000))


async def bound_form(request: Request) -> Form:
    """Return a form that was made for this very session."""
    form = await own_form(request)
    who = await run_in_threadpool(viewer, request)
    if not hmac.compare_digest(form.text(CSRF), who.csrf):
        raise AccessDenied("this form was not made for your session", remedy="load the page again, then send it")
    return form


def _is_own_origin(request: Request) -> bool:
    origin = request.headers.get("origin", "")
    return origin in {"", "null"} or urlsplit(origin).netloc == request.headers.get("host", "")


def local_path(text: str) -> str:
    """Return an address of this site to go on to; anything else becomes the first page."""
    fine = text.startswith("/") and not text.startswith(("//", "/\\")) and "\\" not in text and text.isprintable()
    return text if fine else "/"


Who = Annotated[Viewer, Depends(viewer)]
Staff = Annotated[Viewer, Depends(staff_viewer)]
OwnForm = Annotated[Form, Depends(own_form)]
BoundForm = Annotated[Form, Depends(bound_form)]
