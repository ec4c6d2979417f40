"""What an instance says of itself, and what it raises, arrive in the core's own words."""

import io

import pytest
from support.hanging import Hanging, HangingSettings, Rough

from argus_core import (
    Clock,
    Exchange,
    LoginFailed,
    NotOffered,
    PluginError,
    Preparing,
    SourceUnavailable,
    Throttled,
    Units,
)
from argus_core.errors import BadParameter
from argus_core.extend.source import DATASETS
from argus_core.routing.workers import wire
from argus_core.routing.workers.faults import error_of, fault_of
from argus_core.routing.workers.protocol import FACTS, FAULTS, facts_of


def over_the_wire(value):
    return wire.read(io.BytesIO(wire.encoded(wire.Frame({"v": value})))).head["v"]


class TestFactsAndFaults:
    def test_facts_arrive_equal(self):
        source = Hanging("h", HangingSettings(), Clock())
        source.units = (Units(volume=None, codes=("6",), exchanges=frozenset({Exchange.SH})),)
        facts = facts_of(source)
        assert FACTS.decode(over_the_wire(FACTS.encode(facts))) == facts
        assert facts.offers == set(DATASETS)
        assert facts.pushes

    @pytest.mark.parametrize(
        ("raised", "arrives", "attributes"),
        [
            (LoginFailed("no", details={"a": [1]}), LoginFailed, {"details": {"a": [1]}}),
            (Preparing("soon", retry_after=4), Preparing, {"retry_after": 4.0}),
            (Rough("slow"), Throttled, {"retry_after": 7.0}),
            (NotOffered("never"), NotOffered, {"message": "never"}),
            (LoginFailed("no", details={1, 2}), LoginFailed, {"details": None}),
            (PluginError("a", where="b", fix="c"), PluginError, {"where": "b", "fix": "c"}),
            (BadParameter("p"), NotOffered, {"message": "p"}),
            (KeyError("s3cret"), SourceUnavailable, {}),
            (SystemExit(1), SourceUnavailable, {}),
        ],
    )
    def test_errors_arrive_as_the_cores_own(self, raised, arrives, attributes):
        error = error_of(FAULTS.decode(over_the_wire(FAULTS.encode(fault_of(raised, "h")))))
        assert type(error) is arrives
        for name, value in attributes.items():
            assert getattr(error, name) == value
        if arrives is SourceUnavailable:
            assert error.message == f"h raised {type(raised).__name__} instead of answering"

    def test_operators_are_told_a_strangers_words(self):
        fault = fault_of(ValueError("why \ud800"), "h", telling=True)
        assert fault.message == "ValueError: why ?"
