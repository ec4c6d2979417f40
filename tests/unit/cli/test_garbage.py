"""What lives when a server begins is left out of every later collection."""

import gc

from argus_cli import garbage


def test_what_lives_now_is_never_looked_through_again_and_garbage_still_goes():
    before = gc.get_threshold()
    try:
        garbage.spare()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() == (garbage.YOUNG, garbage.MIDDLE, garbage.OLD)
        circle = []
        circle.append(circle)
        del circle
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
