"""The Redis cache under the kit, over a server that it can lose."""

from contextlib import contextmanager

from support.faultproxy import FaultProxy
from support.redis import redis_server

from argus_core.testing import CacheConformance


class TestRedis(CacheConformance):
    plugin = "redis"
    shared = True

    @classmethod
    @contextmanager
    def running(cls):
        with redis_server() as server, FaultProxy(server.port) as proxy:
            yield proxy

    def settings_for(self):
        # A loaded machine takes its time for a mebibyte.
        return {"url": f"redis://127.0.0.1:{self.vendor.port}/0", "timeout": 2.0}

    def faults(self):
        return {"disconnect": self.vendor.refusing}
