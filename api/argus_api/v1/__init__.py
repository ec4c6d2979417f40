"""The v1 dialect: one router a module, put together here."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from argus_api.auth import reads_data
from argus_api.v1 import history, quotes, reference

router = APIRouter(
    prefix="/api/v1/market_data", tags=["market_data"], dependencies=[Depends(reads_data)]
)
router.include_router(quotes.router)
router.include_router(history.router)
router.include_router(reference.router)

__all__ = ["router"]
