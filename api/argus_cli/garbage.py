"""Python's collector, kept from stopping a process that serves."""

from __future__ import annotations

import gc

YOUNG, MIDDLE, OLD = 500, 4, 5_000
"""New objects until the youngest generation is looked through, and how often each generation is
until the next one is."""


def spare() -> None:
    """Let everything that lives now never be looked through again; new objects are, less often.

    A full collection goes through every object there is, some two hundred thousand of modules and
    models that never go away: a tenth of a second in which nobody is answered. The others go
    through what is new, a microsecond each: often, so that it is little each time.
    """
    gc.collect()  # what is garbage now would stay for ever
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
