"""The v1 dialect: one router a module, put together here."""

from __future__ import annotations

from fastapi import APIRouter, Depends

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

_data = APIRouter(
    prefix="/api/v1/market_data", tags=["market_data"], dependencies=[Depends(reads_data)]
)
_data.include_router(quotes.router)
_data.include_router(history.router)
_data.include_router(reference.router)
_data.include_router(stream.router)

router = APIRouter()
router.include_router(_data)
router.include_router(datasets.router)
router.include_router(quality.router)
router.include_router(revisions.router)
router.include_router(cache.router)
router.include_router(pools.router)
router.include_router(routes.router)
router.include_router(subscriptions.router)

__all__ = ["router"]
