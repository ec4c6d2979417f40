"""Who offers what no source has: read beside the event loop, once, for however many ask."""

import asyncio
import threading

import pytest

from argus_core.errors import NotOffered
from argus_core.lookups import Offers
from argus_core.plugins import Installed


def plugin(name, *offers):
    return Installed(name=name, kinds=("source",), distribution=name, version="1", offers=offers)


PLUGINS = (plugin("far", "bars", "depth"), plugin("dear", "depth"), plugin("none", "quotes"))


class Reading:
    """The reading of the plugins' files, which lasts until the test lets it go on."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.go_on = threading.Event()
        self.begun = threading.Event()
        self.threads = []

    def __call__(self):
        self.threads.append(threading.current_thread())
        self.begun.set()
        assert self.go_on.wait(10)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def reading(monkeypatch):
    it = Reading(PLUGINS)
    monkeypatch.setattr("argus_core.lookups.scanned", it)
    yield it
    it.go_on.set()


def refused(**details):
    return NotOffered("no source has it", details=details or None)


async def test_the_event_loop_goes_on_while_the_files_are_read_once_for_all(reading):
    offers = Offers()
    asking = [asyncio.create_task(offers.refusal("depth", refused())) for _ in range(5)]
    await asyncio.to_thread(reading.begun.wait, 10)
    assert not any(task.done() for task in asking)
    reading.go_on.set()
    told = await asyncio.gather(*asking)
    assert {tuple(error.details["offered_by"]) for error in told} == {("dear", "far")}
    assert [error.message for error in told] == ["no source has it"] * 5
    assert (await offers.refusal("quotes", refused())).details["offered_by"] == ["none"]
    (thread,) = reading.threads
    assert thread is not threading.main_thread()


async def test_who_leaves_meanwhile_does_not_stop_it_for_the_others(reading):
    offers = Offers()
    first, second = (asyncio.create_task(offers.refusal("bars", refused())) for _ in range(2))
    await asyncio.to_thread(reading.begun.wait, 10)
    first.cancel()
    await asyncio.wait([first])
    reading.go_on.set()
    assert (await second).details == {"dataset": "bars", "offered_by": ["far"]}
    assert len(reading.threads) == 1


async def test_a_reading_that_failed_is_tried_again_by_the_next(reading):
    reading.go_on.set()
    reading.outcomes.insert(0, OSError("no more files may be open"))
    offers = Offers()
    with pytest.raises(OSError, match="no more files"):
        await offers.refusal("bars", refused())
    assert (await offers.refusal("bars", refused())).details["offered_by"] == ["far"]


async def test_the_dataset_that_the_refusal_names_counts(reading):
    reading.go_on.set()
    told = await Offers().refusal("bars", refused(dataset="quotes"))
    assert told.details == {"dataset": "quotes", "offered_by": ["none"]}
