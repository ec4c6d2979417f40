"""`argus check`: what a part does wrong is told as it is, with the time it took."""

import asyncio
from types import SimpleNamespace

import pytest
from support.clock import TestClock
from support.sources import Scripted, node

from argus_core import checks
from argus_core.telemetry.redact import Redactor


class Opening(Scripted):
    """Opens by script: an error, or seconds to hang."""

    async def open(self):
        step = self._next()
        if isinstance(step, Exception):
            raise step
        await asyncio.sleep(step)


async def verdict(step):
    clock = TestClock()
    source = Opening("one", clock, step)
    parts = SimpleNamespace(nodes={"one": node(source)}, levels=())
    (found,) = await checks.check(parts, clock=clock, redactor=Redactor())
    return found.ok, found.message


async def test_a_time_out_of_the_parts_own_is_not_the_patience_of_the_check():
    assert await verdict(TimeoutError("the login server is silent")) == (
        False,
        "TimeoutError: the login server is silent",
    )


async def test_who_does_not_answer_in_time_is_told_so(monkeypatch):
    monkeypatch.setattr(checks, "PATIENCE", 0.01)
    assert await verdict(60) == (False, "no answer within 0 s")


@pytest.mark.parametrize("step", [0, 0.001])
async def test_who_answers_does(step):
    assert await verdict(step) == (True, "answers")
