"""``python -m support.streams.server CONFIG SHIFT``: `argus serve` with a clock that is shifted.

The market is open whenever a test runs: SHIFT seconds are added to the real time.
"""

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

from argus_cli.server import run
from argus_core import SHANGHAI, Clock
from argus_core.config import Config
from argus_core.gateway import Gateway


class Shifted(Clock):
    """The real clock, so many seconds later or earlier."""

    def __init__(self, seconds):
        self._shift = timedelta(seconds=seconds)

    def now(self):
        return datetime.now(SHANGHAI) + self._shift


if __name__ == "__main__":
    run(Gateway(Config.load(Path(sys.argv[1]), os.environ), clock=Shifted(float(sys.argv[2]))))
