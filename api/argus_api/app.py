"""The FastAPI application around one gateway."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from argus_api import legacy, lifecycle, system, v1
from argus_api.docs import add_docs
from argus_api.errors import add_error_handlers
from argus_api.lifecycle import Farewell, Lifecycle
from argus_api.load import Load
from argus_api.middleware import Compression, Surroundings
from argus_api.openapi import DESCRIPTION, TAGS, DescribedApp
from argus_api.stream import Audience, Sockets
from argus_core import __version__
from argus_core.gateway import Gateway

LARGEST_BODY = 1024 * 1024


def create_app(gateway: Gateway) -> FastAPI:
    """The application that answers from ``gateway``, which it opens and closes with itself.

    Its ``state.lifecycle`` is for the server around it, which tells it when to drain.
    """
    life = Lifecycle()
    audience = Audience(gateway, life)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None, None]:
        async with gateway:
            life.begin()
            try:
                yield
            finally:
                await audience.aclose()

    app = DescribedApp(
        title="Argus",
        version=__version__,
        summary="Market data of the Chinese exchanges: one question, the same answer.",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_tags=TAGS,
        redirect_slashes=False,
        max_body_size=LARGEST_BODY,
    )
    app.state.gateway = gateway
    app.state.lifecycle = life
    app.state.audience = audience
    # The last one added is the outermost.
    app.add_middleware(Compression)
    app.add_middleware(Load, gateway=gateway)
    app.add_middleware(
        Surroundings, clock=gateway.clock, origins=lambda: gateway.streaming.table.origins
    )
    app.add_middleware(Farewell, lifecycle=life)
    app.add_middleware(Sockets, audience=audience, lifecycle=life)
    add_error_handlers(app)
    add_docs(app)
    v1.include(app)
    app.include_router(system.router)
    app.include_router(lifecycle.router)
    app.include_router(legacy.router)
    return app
