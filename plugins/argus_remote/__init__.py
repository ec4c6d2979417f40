"""Another Argus as a source: what it says is passed on, with where it came from."""

from __future__ import annotations

from argus_core import Source, hookimpl
from argus_remote.source import RemoteSource


@hookimpl
def register_source() -> type[Source]:
    """Another Argus."""
    return RemoteSource
