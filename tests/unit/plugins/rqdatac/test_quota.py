"""The day's bytes: asked for on a timer, shown, warned of, and obeyed."""

import logging

import pytest
from support.clock import TestClock

from argus_core import Throttled
from argus_rqdatac.quota import Quota


@pytest.fixture
def clock():
    return TestClock("2024-06-28 15:00:00")


@pytest.fixture
def quota(clock):
    return Quota("rq", clock, every=300, guard=0.9)


def says(used, limit, **more):
    return {"bytes_used": used, "bytes_limit": limit, "remaining_days": 10} | more


def test_it_is_due_at_once_and_then_every_five_minutes(quota, clock):
    assert quota.due
    quota.asking()
    assert not quota.due
    clock.advance(299)
    assert not quota.due
    clock.advance(1)
    assert quota.due


def test_the_meter_shows_the_bytes_of_this_day_until_midnight(quota, clock):
    assert quota.meters() == []
    quota.told(says(900, 1000))
    (meter,) = quota.meters()
    assert (meter.unit, meter.used, meter.limit, meter.window) == ("bytes", 900, 1000, "day")
    assert meter.resets_in == 9 * 3600
    assert not meter.exhausted
    quota.told(says(1000, 1000))
    assert quota.meters()[0].exhausted
    quota.told(says(10**12, 0))
    assert not quota.meters()[0].exhausted
    clock.advance(9 * 3600)
    assert quota.meters() == [], "what was told yesterday says nothing of today"


def test_zero_means_no_limit(quota):
    quota.told(says(123, 0, remaining_days=0, license_type="FULL"))
    report = quota.report()
    assert report["quota_bytes_used"] == 123
    assert report["quota_bytes_limit"] is None
    assert report["remaining_days"] is None
    assert report["license_type"] == "FULL"
    quota.make_room(1e15)


def test_eighty_percent_are_told_once_a_day(quota, clock, caplog):
    with caplog.at_level(logging.WARNING):
        quota.told(says(79, 100))
        assert not caplog.records
        quota.told(says(80, 100))
        quota.told(says(85, 100))
        assert len(caplog.records) == 1
        assert "80 %" in caplog.text
        clock.advance(86400)
        quota.told(says(95, 100))
    assert len(caplog.records) == 2


def test_ticks_are_refused_near_the_limit(quota):
    quota.make_room(1e15)  # nothing is known yet
    quota.told(says(500, 1000))
    quota.make_room(400)
    with pytest.raises(Throttled) as error:
        quota.make_room(401)
    assert error.value.retry_after == 9 * 3600


def test_a_refusal_stops_every_question_until_midnight(quota, clock):
    quota.check()
    refused = quota.refused()
    assert refused.retry_after == 9 * 3600
    clock.advance(28800)
    with pytest.raises(Throttled) as error:
        quota.check()
    assert error.value.retry_after == 3600
    assert quota.report()["quota_paused_seconds"] == 3600
    clock.advance(3600)
    quota.check()


def test_where_midnight_was_too_early_it_is_asked_every_hour(quota, clock):
    quota.refused()
    clock.advance(32401)
    assert quota.refused().retry_after == 3600
    clock.advance(3600)
    assert quota.refused().retry_after == 3600


def test_a_day_later_a_used_up_quota_lasts_until_midnight_again(quota, clock):
    quota.refused()
    clock.advance(172800)
    assert quota.refused().retry_after == 9 * 3600


def test_the_vendors_word_that_there_is_room_ends_the_pause(quota):
    quota.refused()
    quota.told(says(100, 100))
    with pytest.raises(Throttled):
        quota.check()
    quota.told(says(0, 100))
    quota.check()
