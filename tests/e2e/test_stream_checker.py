"""Listeners under faults: nothing reordered, nothing twice, no hole unannounced, and all converge.

``python tests/faults/stream_checker.py --seconds 600`` does the same for longer.
"""

import asyncio
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.streams.house import house
from support.streams.judge import Item, Joined, Told, judged
from support.streams.trial import BEHIND, GENTLE, ROUGH, SHARED, trial

EPOCH = "one"


# -- the judge must itself be right --------------------------------------------------------------


@st.composite
def streams(draw):
    """What a listener hears of one share when all is well, and what its source pushed."""
    events, seq, number = [Joined(EPOCH)], 0, 0
    pushed = []
    for place in range(draw(st.integers(3, 12))):
        skipped = draw(st.integers(0, 3)) if place else 0
        for _ in range(skipped + 1):
            seq, number = seq + 1, number + 1
            pushed.append(number)
        kind = "update" if place else "snapshot"
        events.append(Item(kind, EPOCH, seq, number, "first", skipped=skipped))
    return events, {"first": pushed}, number


def items(events):
    return [place for place, event in enumerate(events) if isinstance(event, Item)]


@given(streams())
def test_a_good_stream_is_good(stream):
    assert judged(*stream) == []


@given(streams(), st.data())
def test_a_value_that_is_left_out_is_found(stream, data):
    events, pushed, final = stream
    del events[data.draw(st.sampled_from(items(events)[1:]))]
    assert judged(events, pushed, final)


@given(streams(), st.data())
def test_a_value_that_comes_twice_is_found(stream, data):
    events, pushed, final = stream
    place = data.draw(st.sampled_from(items(events)[1:]))
    events.insert(place, events[place])
    assert judged(events, pushed, final)


@given(streams(), st.data())
def test_values_that_change_places_are_found(stream, data):
    events, pushed, final = stream
    place = data.draw(st.sampled_from(items(events)[1:-1]))
    events[place], events[place + 1] = events[place + 1], events[place]
    assert judged(events, pushed, final)


@given(streams(), st.data())
def test_a_push_that_was_given_no_number_is_found(stream, data):
    events, pushed, final = stream
    place = data.draw(st.sampled_from(items(events)[2:]))
    later = [
        event
        if at < place or not isinstance(event, Item)
        else Item(event.kind, EPOCH, event.seq, event.number + 1, "first", skipped=event.skipped)
        for at, event in enumerate(events)
    ]
    lost = {"first": [*pushed["first"], final + 1]}
    assert judged(later, lost, final + 1)
    later.insert(place, Told("gap"))
    assert judged(later, lost, final + 1) == []


@given(streams())
def test_a_stream_that_stops_early_is_found(stream):
    events, pushed, final = stream
    assert judged(events[:-1], pushed, final)


@given(streams(), st.integers(1, 5))
def test_after_a_pause_what_is_missed_must_be_said(stream, missed):
    events, pushed, final = stream
    last = events[-1]
    again = Item("snapshot", EPOCH, last.seq + missed + 1, final + missed + 1, "first")
    silent = [*events, Told("left"), again]
    told = [*events, Told("left"), Joined(EPOCH, missed), again]
    assert judged(silent, pushed, again.number)
    assert judged(told, pushed, again.number) == []


def test_another_epoch_begins_with_a_snapshot():
    one = Item("snapshot", EPOCH, 7, 7, "first")
    early = Item("update", "two", 3, 8, "first")
    begins = Item("snapshot", "two", 2, 8, "first")
    assert judged([Joined(EPOCH), one, Joined("two"), early], {})
    assert judged([Joined(EPOCH), one, Joined("two"), begins], {}) == []


# -- the server ------------------------------------------------------------------------------------


def sure(verdict):
    assert not verdict.wrong, "\n".join([*verdict.wrong[:20], str(verdict.faults)])
    assert verdict.faults
    assert verdict.events["update"] > 100
    assert verdict.pushed > 100


@pytest.mark.long
@pytest.mark.parametrize(("faults", "seconds"), [(GENTLE, 8.0), (ROUGH, 12.0)])
def test_under_faults_nobody_is_lied_to(tmp_path, faults, seconds):
    with house(tmp_path) as built:
        built.alone()
        sure(asyncio.run(trial(built, faults, seconds=seconds, seed=len(faults))))


@pytest.mark.long
def test_behind_another_gateway_nobody_is_lied_to_either(tmp_path):
    with house(tmp_path) as built:
        built.behind()
        sure(asyncio.run(trial(built, BEHIND, seconds=12.0, seed=1)))


@pytest.mark.long
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server on PATH")
def test_over_a_redis_that_fails_nobody_is_lied_to_either(tmp_path):
    with house(tmp_path) as built:
        built.sharing()
        sure(asyncio.run(trial(built, SHARED, seconds=20.0, seed=2)))
        log = built.servers["edge"].log.read_text(encoding="utf-8")
    assert "comes over its own connection again" in log, "it had come over the Redis"
