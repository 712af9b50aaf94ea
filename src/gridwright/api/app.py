"""The application behind the entrances: `/v1` on FastAPI, thin, with the door, problems and headers around it."""

from __future__ import annotations

from fastapi import Depends, FastAPI
from starlette.middleware import Middleware

from gridwright import __version__
from gridwright.api.door import PREFIX, Door
from gridwright.api.idempotency import InFlight
from gridwright.api.openapi import add_document
from gridwright.api.parameters import only_known_query
from gridwright.api.problems import Unexpected, add_problems
from gridwright.api.routes import (
    bills,
    classes,
    controls,
    corrections,
    edges,
    edits,
    end_devices,
    findings,
    grid,
    jobs,
    outlooks,
    people,
    point_data,
    programs,
    quarantine,
    register_estimates,
    rule_sets,
    status,
    usage_points,
)
from gridwright.api.security_headers import SecurityHeaders
from gridwright.api.segments import Segments, whole_names
from gridwright.app import Platform

NOUNS = (
    usage_points,
    classes,
    point_data,
    findings,
    rule_sets,
    edits,
    bills,
    corrections,
    outlooks,
    end_devices,
    controls,
    programs,
    grid,
    quarantine,
    register_estimates,
    edges,
    jobs,
    people,
    status,
)


def make_app(platform: Platform) -> FastAPI:
    """Return the application of a platform; `app.state.platform` is where pages and routes find it."""
    app = FastAPI(
        title="Gridwright",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(Segments),
            Middleware(SecurityHeaders),
            Middleware(Unexpected),
            Middleware(Door, platform=platform),
        ],
        dependencies=[Depends(whole_names)],
    )
    app.state.platform = platform
    app.state.in_flight = InFlight()
    add_problems(app)
    for noun in NOUNS:
        app.include_router(noun.router, prefix=PREFIX, dependencies=[Depends(only_known_query)])
    add_document(app)
    return app
