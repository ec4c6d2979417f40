"""The quota of a source that lives in a worker: what is asked on this side, what comes across."""

import math

from support.hanging import Hanging
from support.waiting import until
from support.workers import publish, worker

from argus_core import Allowance, Charge, QuotesQuery, Source, Symbol
from argus_core.routing.node import Node

QUERY = QuotesQuery(symbols=(Symbol("600000.SH"),))


def test_charges_are_asked_of_the_plugin_on_this_side(monkeypatch):
    def charges(self, query):
        return [Charge(allowance=Allowance(interface=self.settings.opens), calls=len(query.keys))]

    assert not worker().metered
    monkeypatch.setattr(Hanging, "charges", charges)
    source = worker()
    assert source.metered
    assert list(source.charges(QUERY)) == [Charge(allowance=Allowance(interface="well"))]


def test_without_any_of_its_own_the_calls_a_minute_of_the_instance_count():
    source = worker()
    assert source.charges(QUERY) == ()
    source.calls_per_minute = 7
    assert source.metered
    assert source.charges(QUERY) == Source.charges(source, QUERY) != ()


async def test_meters_come_with_the_heartbeat_but_for_those_of_calls(tmp_path, monkeypatch):
    publish(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    source = worker()
    subject = Node(source, plugin="hanging", clock=source.clock)
    logins = [("logins", 0, 1)]
    assert [(q.unit, q.used, q.limit) for q in subject.quota.status()] == logins
    await source.open()
    try:
        await until(source.meters)
        (meter,) = source.meters()
        assert (meter.unit, meter.used, meter.limit, meter.resets_in) == ("bytes", 3, 10, math.inf)
        told = {q.unit: (q.used, q.limit, q.resets_in) for q in subject.quota.status()}
        assert told == {"bytes": (3, 10, None), "logins": (1, 1, None)}
    finally:
        await source.close()
