"""Market data of a Tushare Pro account: ``plugin = "tushare"``."""

from __future__ import annotations

from argus_core import Source, hookimpl
from argus_tushare.source import TushareSource


@hookimpl
def register_source() -> type[Source]:
    """The source class that ``[sources.NAME]`` tables with ``plugin = "tushare"`` configure."""
    return TushareSource
