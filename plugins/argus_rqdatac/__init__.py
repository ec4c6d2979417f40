"""Market data of a Ricequant (RQData) account: ``plugin = "rqdatac"``."""

from __future__ import annotations

from argus_core import Source, hookimpl
from argus_rqdatac.source import RqdatacSource


@hookimpl
def register_source() -> type[Source]:
    """The source class that ``[sources.NAME]`` tables with ``plugin = "rqdatac"`` configure."""
    return RqdatacSource
