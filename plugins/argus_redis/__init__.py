"""A cache in a Redis server that several processes and machines share: ``plugin = "redis"``.

It speaks to the server through ``redis.asyncio`` itself. aiocache's RedisCache stands in the way:
it calls deprecated commands that warn on every write, knows whole seconds only, leaks connections
when it closes, and has neither leases nor messages.
"""

from __future__ import annotations

from argus_core import Cache, hookimpl
from argus_redis.cache import RedisCache


@hookimpl
def register_cache() -> type[Cache]:
    """The cache class that ``[caches.NAME]`` tables with ``plugin = "redis"`` configure."""
    return RedisCache
