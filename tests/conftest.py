"""What every test may rely on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


# The suite asks the same questions each time, so that what turns red is what has changed;
# HYPOTHESIS_EXAMPLES=1000 looks harder, and elsewhere each time.
EXAMPLES = os.environ.get("HYPOTHESIS_EXAMPLES")
settings.register_profile("suite", max_examples=int(EXAMPLES or 60), derandomize=not EXAMPLES)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def market_data() -> Path:
    """The directory of recorded market data; tests that need it skip where it is absent."""
    path = Path(os.environ.get("ARGUS_TEST_DATA", DEFAULT_DATA))
    if not path.is_dir():
        pytest.skip(f"recorded market data are absent: set ARGUS_TEST_DATA (looked in {path})")
    return path
