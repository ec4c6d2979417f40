"""The balancers under the kit."""

from argus_core.testing import BalancerConformance


class TestConsistentHash(BalancerConformance):
    plugin = "consistent_hash"


class TestLatency(BalancerConformance):
    plugin = "latency"


class TestLeastConnections(BalancerConformance):
    plugin = "least_connections"


class TestRandom(BalancerConformance):
    plugin = "random"


class TestRoundRobin(BalancerConformance):
    plugin = "round_robin"


class TestWeighted(BalancerConformance):
    plugin = "weighted"
