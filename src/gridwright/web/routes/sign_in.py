"""Sign in and out: a name with its password, or an API key, becomes a session in a cookie."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from gridwright.api.authenticate import COOKIE, doorkeeper
from gridwright.app import Platform
from gridwright.domain.errors import AccessDenied, GridwrightError, NotAuthenticated
from gridwright.web.show import page
from gridwright.web.who import BoundForm, OwnForm, Who, local_path


def add(router: APIRouter) -> None:
    """Add the addresses."""
    router.add_api_route("/", first, methods=["GET"])
    router.add_api_route("/sign-in", ask, methods=["GET"])
    router.add_api_route("/sign-in", enter, methods=["POST"])
    router.add_api_route("/sign-out", leave, methods=["POST"])


def first(who: Who) -> Response:
    """Go to the first page that whoever asks may see."""
    return RedirectResponse("/today" if who.access.points is None else "/my-energy", HTTPStatus.SEE_OTHER)


def ask(request: Request, next: str = "/") -> Response:  # noqa: A002 - the name in the address
    """Show the form."""
    return _form(request, onward=local_path(next))


def enter(request: Request, form: OwnForm) -> Response:
    """Begin a session, or tell that name and password or key open nothing."""
    platform: Platform = request.app.state.platform
    identities, now = platform.store.identities, platform.clock()
    name, key, onward = form.text("name"), form.text("key"), local_path(form.text("next"))
    try:
        if key:
            token = identities.sign_in_by_key(key, now)
        else:
            token = identities.sign_in(name, (form.all("password") or [""])[0], now)
    except (NotAuthenticated, AccessDenied) as error:
        return _form(request, onward=onward, name=name, trouble=error)
    response = RedirectResponse(onward, HTTPStatus.SEE_OTHER)
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/")
    return response


def leave(request: Request, _form_is_ours: BoundForm) -> Response:
    """End the session at once."""
    platform: Platform = request.app.state.platform
    platform.store.identities.sign_out(request.cookies.get(COOKIE, ""))
    doorkeeper(platform).forget()
    response = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


def _form(request: Request, *, onward: str, name: str = "", trouble: GridwrightError | None = None) -> Response:
    shown = {
        "title": "Sign in",
        "onward": onward,
        "name": name,
        "trouble": trouble.message if trouble else "",
        "remedy": trouble.remedy if trouble else "",
    }
    status = HTTPStatus.UNAUTHORIZED if trouble else HTTPStatus.OK
    return page(request, "sign_in.html.j2", shown, status=status)
