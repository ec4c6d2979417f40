"""Where recorded market data lie, for what is no fixture."""

import os
import unittest
from pathlib import Path

from conftest import DEFAULT_DATA


def recorded() -> Path:
    """The directory; the tests that need it are skipped where it is absent."""
    path = Path(os.environ.get("ARGUS_TEST_DATA", DEFAULT_DATA))
    if not path.is_dir():
        raise unittest.SkipTest(f"recorded market data are absent (looked in {path})")
    return path
