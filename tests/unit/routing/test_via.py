"""Through whom a question came: what flights and routes make of it."""

from random import Random

import pytest
from support.clock import TestClock

from argus_core import QuotesQuery, Symbol
from argus_core.answers.errand import Errand
from argus_core.assembly import assemble
from argus_core.config import Config
from argus_core.errors import ConfigError, Loop
from argus_core.model.ask import Ask, Deadline
from argus_core.model.request import asking, current_request, refuse_loop, requesting

QUERY = QuotesQuery(symbols=(Symbol("600519.SH"),))


def test_a_flight_is_shared_by_those_alone_who_came_the_same_way():
    errand = Errand(Deadline.within(1, TestClock()))
    texts = {tuple(errand.texts(QUERY))}
    for via in (("a",), ("b",), ("a", "b"), ("ab",)):
        with requesting(via=via):
            texts.add(tuple(errand.texts(QUERY)))
    assert len(texts) == 5


def test_a_circle_and_a_long_way_are_refused():
    refuse_loop("me", ())
    refuse_loop("me", tuple("abcdefg"))
    for via in (("me",), ("a", "me", "b"), tuple("abcdefgh")):
        with pytest.raises(Loop):
            refuse_loop("me", via)


def test_a_source_may_know_the_terms_of_the_request():
    ask = Ask(
        deadline=Deadline.within(1, TestClock()), use_cache=False, max_staleness=3, trace_id="t"
    )
    with asking(ask):
        request = current_request()
    assert (request.use_cache, request.max_staleness, request.trace_id) == (False, 3, "t")
    assert current_request().use_cache


def built(sources, **tables):
    tables = {"sources": sources, **tables}
    return assemble(Config.parse(tables, {}), clock=TestClock(), random=Random(1))


TOLD = {"plugin": "remote", "simulated": "as_told"}


def test_who_tells_with_each_answer_what_is_invented_stands_with_its_like():
    parts = built({"a": TOLD, "b": {**TOLD, "url": "http://127.0.0.1:8002"}})
    assert [node.source.as_told for node in parts.nodes.values()] == [True, True]
    apart = {"routes": {"default": ["a"], "bars": ["demo"]}}
    built({"a": TOLD, "demo": {"plugin": "demo"}}, **apart)


@pytest.mark.parametrize("other", [{"plugin": "demo"}, {"plugin": "remote"}])
def test_and_with_nobody_else(other):
    with pytest.raises(ConfigError, match="only the answers tell"):
        built({"a": TOLD, "b": other})


def test_another_gateway_gets_no_worker():
    with pytest.raises(ConfigError, match="a process of its own already"):
        built({"a": {"plugin": "remote", "isolation": "process"}})
