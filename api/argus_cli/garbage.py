"""Python's collector, kept from stopping a process that serves."""

from __future__ import annotations

import gc

YOUNG, MIDDLE, OLD = 1_000, 8, 5_000
"""New objects until the collector looks through the youngest generation by itself, and how often it
does so with each generation until the next one is; :func:`tidy` comes before that as a rule."""
NEW, OFTEN, SELDOM = 100, 8, 1_000
"""New objects for which it is worth while to look, and after how many looks at each generation the
next one's turn has come. For the oldest that is a quarter of an hour at least."""


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
    """Look through what is new, if it is much; now and then through what is older as well.

    To be called in quiet moments: the collector takes its own when most is made, which is when
    there is most to do. Whoever calls it must let it come to the oldest generation too: between two
    of these looks too little is made for the collector to begin one by itself.
    """
    young, middle, old = gc.get_count()
    if young > NEW:
        gc.collect(2 if old >= SELDOM else 1 if middle >= OFTEN else 0)
