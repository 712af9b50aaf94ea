"""The application behind the entrances: `/v1` on FastAPI, thin, with the door, problems and headers around it."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware import Middleware

from gridwright import __version__
from gridwright.api.door import Door
from gridwright.api.problems import Unexpected, add_problems
from gridwright.api.security_headers import SecurityHeaders
from gridwright.app import Platform


def make_app(platform: Platform) -> FastAPI:
    """Return the application of a platform; `app.state.platform` is where pages and routes find it."""
    app = FastAPI(
        title="Gridwright",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[Middleware(SecurityHeaders), Middleware(Unexpected), Middleware(Door, platform=platform)],
    )
    app.state.platform = platform
    add_problems(app)
    return app
