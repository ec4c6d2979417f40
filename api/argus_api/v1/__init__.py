"""The v1 dialect: one router a module, put together here."""

from __future__ import annotations

from fastapi import Depends, FastAPI

from argus_api.auth import reads_data
from argus_api.v1 import (
    cache,
    datasets,
    history,
    pools,
    quality,
    quotes,
    reference,
    revisions,
    routes,
    stream,
    subscriptions,
)

_DATA = (quotes, history, reference, stream)
_OTHERS = (datasets, quality, revisions, cache, pools, routes, subscriptions)


def include(app: FastAPI) -> None:
    """Add the paths of the dialect to an application.

    Each router directly: of one within another FastAPI looks up every level anew, and those of
    the levels below as often, at each request.
    """
    for module in _DATA:
        app.include_router(
            module.router,
            prefix="/api/v1/market_data",
            tags=["market_data"],
            dependencies=[Depends(reads_data)],
        )
    for module in _OTHERS:
        app.include_router(module.router)


__all__ = ["include"]
