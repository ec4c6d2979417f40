"""Python's collector, kept from stopping a process that serves."""

from __future__ import annotations

import gc

YOUNG, MIDDLE, OLD = 1_000, 10, 5_000
"""New objects until the youngest generation is looked through, and how often each generation is
until the next one is; :func:`tidy` comes before that, unless very much is made."""
NEW, OFTEN = 100, 8
"""New objects for which it is worth while to look, and after how many looks the next generation's
turn has come."""


def spare() -> None:
    """Let everything that lives now never be looked through again; new objects are, less often.

    A full collection goes through every object there is, some two hundred thousand of modules and
    models that never go away: a tenth of a second in which nobody is answered. The others go
    through what is new, a microsecond each.
    """
    gc.collect()  # what is garbage now would stay for ever
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


def tidy() -> None:
    """Look through what is new, if it is much, and now and then through what was new for a while.

    To be called in quiet moments: the collector takes its own when most is made, which is when
    there is most to do.
    """
    young, looked, _ = gc.get_count()
    if young > NEW:
        gc.collect(1 if looked >= OFTEN else 0)
