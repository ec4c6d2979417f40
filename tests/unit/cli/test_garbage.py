"""What lives when a server begins is left out of every later collection; what is new is not."""

import gc

import pytest

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


class Circle:
    """Something that only the collector finds."""

    gone = 0

    def __init__(self):
        self.itself = self

    def __del__(self):
        Circle.gone += 1


@pytest.mark.usefixtures("uncollected")
def test_what_is_new_is_looked_through_if_it_is_much():
    gc.collect()  # whatever the test's own surroundings have made
    before = Circle.gone
    Circle()
    garbage.tidy()
    assert Circle.gone == before
    kept = [[] for _ in range(2 * garbage.NEW)]
    garbage.tidy()
    assert Circle.gone == before + 1
    assert gc.get_count()[0] < garbage.NEW
    assert len(kept) == 2 * garbage.NEW


@pytest.mark.usefixtures("uncollected")
def test_what_was_new_for_a_while_is_looked_through_too():
    before, circle = Circle.gone, Circle()
    for turn in range(garbage.OFTEN + 1):
        kept = [[] for _ in range(2 * garbage.NEW)]
        garbage.tidy()
        if turn == 0:  # it has outlived a look, and is let go only then
            del circle
        del kept
    assert Circle.gone == before + 1


@pytest.mark.usefixtures("uncollected")
def test_what_is_old_is_looked_through_in_the_end(monkeypatch):
    monkeypatch.setattr(garbage, "SELDOM", 3)
    before, circle = Circle.gone, Circle()
    gc.collect(0)
    gc.collect(1)
    del circle  # old by now
    looks = 0
    while Circle.gone == before:
        kept = [[] for _ in range(2 * garbage.NEW)]
        garbage.tidy()
        del kept
        looks += 1
        assert looks < 100
    assert looks > garbage.OFTEN
