"""The legacy dialect: v1's questions under older names, no envelope, Beijing time."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from argus_api.auth import reads_data
from argus_api.legacy import history, quotes, reference

router = APIRouter(tags=["legacy"], dependencies=[Depends(reads_data)])
router.include_router(quotes.router)
router.include_router(history.router)
router.include_router(reference.router)

__all__ = ["router"]
