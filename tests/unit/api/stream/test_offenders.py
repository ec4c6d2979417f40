"""Addresses whose connections are ended for abuse again and again."""

import pytest
from support.clock import TestClock

from argus_api.stream import offenders
from argus_api.stream.offenders import WINDOW, Offenders

A, B = "198.18.0.1", "198.18.0.2"


class Door:
    def __init__(self, most=3):
        self.most = most
        self.clock = TestClock()
        self.offenders = Offenders(lambda: self.most, self.clock.monotonic)

    def offend(self, address=A, times=1):
        """What is said of each time."""
        return [self.offenders.note(address) for _ in range(times)]

    def out(self, address=A):
        return self.offenders.wait(address)


@pytest.fixture
def door():
    return Door()


def test_an_address_is_kept_out_with_the_last_offence(door):
    assert door.out() == 0.0
    assert door.offend(times=2) == [False, False]
    assert door.out() == 0.0
    assert door.offend() == [True]
    assert door.out() == WINDOW
    assert door.out(B) == 0.0


def test_it_may_come_again_after_a_minute_and_begins_anew(door):
    door.clock.advance(30)
    door.offend(times=3)
    door.clock.advance(WINDOW - 0.5)
    assert door.out() == pytest.approx(0.5)
    door.clock.advance(0.5)
    assert door.out() == 0.0
    assert door.offend(times=3) == [False, False, True]


def test_offences_that_are_far_apart_are_forgiven(door):
    for _ in range(10):
        assert door.offend() == [False]
        door.clock.advance(WINDOW / 2)
    assert door.out() == 0.0


def test_the_minute_of_the_punishment_is_a_whole_one(door):
    door.offend(times=2)
    door.clock.advance(WINDOW - 1)
    door.offend()
    assert door.out() == WINDOW


def test_who_is_in_already_and_offends_does_not_make_it_longer(door):
    door.offend(times=3)
    door.clock.advance(WINDOW - 1)
    assert door.offend(times=20) == [False] * 20
    assert door.out() == pytest.approx(1)
    door.clock.advance(1)
    assert door.out() == 0.0


def test_one_that_was_kept_out_is_counted_anew_by_its_next_offence(door):
    door.offend(times=3)
    door.clock.advance(WINDOW)
    assert door.offend() == [False]
    assert door.out() == 0.0


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "", "x"])
def test_this_machine_is_never_kept_out(door, address):
    assert not any(door.offend(address, times=100))
    assert door.out(address) == 0.0


def test_of_the_long_addresses_the_network_counts(door):
    door.offend("2001:db8:1:2::1", times=2)
    assert door.offend("2001:db8:1:2:ffff::") == [True]
    assert door.out("2001:db8:1:2:3:4:5:6")
    assert not door.out("2001:db8:1:3::1")


def test_an_address_in_the_other_form_is_the_same(door):
    door.offend(f"::ffff:{A}", times=3)
    assert door.out(A)


def test_another_number_holds_from_now_on(door):
    door.offend(times=3)
    door.most = 5
    assert door.out() == 0.0
    assert door.offend(times=2) == [False, True]


def test_no_crowd_of_addresses_fills_the_memory(door, monkeypatch):
    monkeypatch.setattr(offenders, "KNOWN", 50)
    door.offend(B, times=3)
    for number in range(40):
        door.offend(f"198.19.0.{number}")
    assert door.out(B)
    for number in range(100):
        door.offend(f"198.19.1.{number}")
    assert len(door.offenders._ends) == 50
    assert door.offend("198.19.1.99", times=2) == [False, True]
