"""`argus check`: what a part does wrong is told as it is, with the time it took."""

import asyncio
from types import SimpleNamespace

import pytest
from support.clock import TestClock
from support.sources import Scripted, node

from argus_core import checks
from argus_core.config import Config
from argus_core.errors import ConfigError
from argus_core.telemetry.redact import Redactor

SECRETS = {"hidden-word"}


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
    (found,) = await checks.check(parts, Config(), clock=clock, redactor=Redactor(SECRETS))
    return found.ok, found.message, found.where, found.fix


async def test_a_time_out_of_the_parts_own_is_not_the_patience_of_the_check():
    assert await verdict(TimeoutError("the login server is silent")) == (
        False,
        "TimeoutError: the login server is silent",
        "",
        "",
    )


async def test_who_does_not_answer_in_time_is_told_so(monkeypatch):
    monkeypatch.setattr(checks, "PATIENCE", 0.01)
    assert await verdict(60) == (False, "no answer within 0 s", "", "")


@pytest.mark.parametrize("step", [0, 0.001])
async def test_who_answers_does(step):
    assert await verdict(step) == (True, "answers", "", "")


@pytest.mark.parametrize(
    ("where", "told"),
    [("", "plugins.toml, [sources.one]"), ("its door", "plugins.toml, [sources.one], its door")],
)
async def test_a_mistake_is_told_with_its_table_and_without_a_secret(where, told):
    mistake = ConfigError("hidden-word is old", where=where, fix="renew hidden-word")
    assert await verdict(mistake) == (False, "*** is old", told, "renew ***")
