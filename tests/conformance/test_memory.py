"""The memory cache under the kit."""

from argus_core.testing import CacheConformance

BOUND = 4 << 20


class TestMemory(CacheConformance):
    plugin = "memory"
    settings = {"max_mb": 4}  # noqa: RUF012 - the kit only reads it
    bound = BOUND
