"""`time.sleep` for processes under libfaketime, whose `clock_nanosleep` refuses absolute times.

Python has slept by that call since 3.11; a wait for nothing takes as long and works.
"""

import threading
import time


def sleep(seconds: float) -> None:
    """Return after so many seconds."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    threading.Event().wait(seconds)


time.sleep = sleep
