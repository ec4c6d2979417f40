"""Market data of a running miniQMT client: ``plugin = "xtquant"``."""

from __future__ import annotations

from argus_core import Source, hookimpl
from argus_xtquant.source import XtquantSource


@hookimpl
def register_source() -> type[Source]:
    """The source class that ``[sources.NAME]`` tables with ``plugin = "xtquant"`` configure."""
    return XtquantSource
