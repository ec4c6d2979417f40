"""What every test may rely on."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The suite starts some hundred processes: what one of them has compiled, the others need not.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


# The suite asks the same questions each time, so that what turns red is what has changed;
# HYPOTHESIS_EXAMPLES=1000 looks harder, and elsewhere each time.
EXAMPLES = os.environ.get("HYPOTHESIS_EXAMPLES")
settings.register_profile("suite", max_examples=int(EXAMPLES or 60), derandomize=not EXAMPLES)
settings.load_profile("suite")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """The scheduling of ``-n``: who has nothing left to do takes from the others' queues.

    A test takes between a millisecond and half a minute, and the long ones lie side by side.
    """
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


def pytest_asyncio_loop_factories(item):
    """The loop of a test whose sources only pretend to be slow: a busy machine changes nothing."""
    from support.virtual import VirtualLoop

    virtual = item.get_closest_marker("virtual") is not None
    return {"loop": VirtualLoop if virtual else asyncio.new_event_loop}


def pytest_collection_finish() -> None:
    """Spare the collector the objects of thousands of tests, which live to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Python's collector looks only when it is told to."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.fixture(scope="session")
def market_data() -> Path:
    """The directory of recorded market data; tests that need it skip where it is absent."""
    path = Path(os.environ.get("ARGUS_TEST_DATA", DEFAULT_DATA))
    if not path.is_dir():
        pytest.skip(f"recorded market data are absent: set ARGUS_TEST_DATA (looked in {path})")
    return path
