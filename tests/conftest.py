"""What every test may rely on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def market_data() -> Path:
    """The directory of recorded market data; tests that need it skip where it is absent."""
    path = Path(os.environ.get("ARGUS_TEST_DATA", DEFAULT_DATA))
    if not path.is_dir():
        pytest.skip(f"recorded market data are absent: set ARGUS_TEST_DATA (looked in {path})")
    return path
