"""Every check is proved red by a broken twin, and green by a good one."""

from __future__ import annotations

import pytest
from broken import by_key, good, good_source, others, plugins, shared_caches, sources, streams
from broken.subjects import subject
from broken.twin import Twin
from support.workers import publish

from argus_core.testing import GROUPS, run, run_check
from argus_core.testing.checks import (
    alerters,
    answers,
    authenticators,
    balancers,
    bars,
    books,
    caches,
    conduct,
    faults,
    minutes,
    reference,
    workers,
)
from argus_core.testing.checks import plugins as plugin_checks
from argus_core.testing.checks import shared_caches as shared_cache_checks
from argus_core.testing.checks import streams as stream_checks

TWINS: tuple[Twin, ...] = (
    *(*plugins.TWINS, *sources.TWINS, *streams.TWINS, *others.TWINS),
    *(*shared_caches.TWINS, *by_key.TWINS),
)
CHECKS = {one.id: one for checks in GROUPS.values() for one in checks}
ROOMS = (
    *(alerters, answers, authenticators, balancers, bars, books, caches, conduct, faults),
    *(minutes, reference, workers, plugin_checks, stream_checks, shared_cache_checks),
)
SLOW = {"SRC-40", "PLG-01", "PLG-05", "PLG-08", "STR-04", "STR-05"}
"""Checks that take their time: only their own twins meet them."""


@pytest.fixture(autouse=True, scope="module")
def _impatient():
    with pytest.MonkeyPatch.context() as monkeypatch:
        _shorten(monkeypatch)
        yield


def _shorten(monkeypatch):
    """Let the checks wait as long as the good twins need and no longer."""
    monkeypatch.setattr(stream_checks, "FIRST", 0.8)
    monkeypatch.setattr(stream_checks, "_QUIET", 0.2)
    monkeypatch.setattr(stream_checks, "_GRACE", 0.1)
    monkeypatch.setattr(plugin_checks, "_SETTLING", 0.2)
    for room in (caches, shared_cache_checks):
        monkeypatch.setattr(room, "_SHORT", 0.2)
        monkeypatch.setattr(room, "_LATER", 0.25)
    monkeypatch.setattr(shared_cache_checks, "_PATIENCE", 0.5)


def neighbours(twin: Twin):
    """The checks that meet the twin: those of the module of its own, in order."""
    if twin.alone:
        return [CHECKS[twin.check]]
    room = next(room for room in ROOMS if CHECKS[twin.check] in room.CHECKS)
    return [one for one in room.CHECKS if one.id == twin.check or one.id not in SLOW]


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_has_a_broken_twin(check):
    assert check in {twin.check for twin in TWINS}


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_a_broken_twin_turns_its_check_red_and_no_other(twin, tmp_path, monkeypatch):
    if twin.entry:
        publish(tmp_path, module=twin.cls.__module__, name=twin.entry)
        monkeypatch.syspath_prepend(tmp_path)
    report = run(twin.subject(), checks=neighbours(twin))
    red = {row.id: row.why for row in report.failed}
    assert twin.check in red, f"{twin} passed"
    assert red[twin.check], "a failure says what to change"
    assert red.keys() == {twin.check} | twin.also, red


def test_minutes_that_are_hours_off_lead_to_the_time_zone():
    row = run_check(CHECKS["SRC-15"], subject(sources.NaiveUtc))
    assert "is `timezone` 'Asia/Shanghai' true" in row.why


GOOD = (
    (good_source.GoodSource, {}),
    (good.GoodCache, {}),
    (good.SharedCache, {"shared": True}),
    (shared_caches.Exchange, {"shared": True}),
    (good.GoodBalancer, {}),
    (by_key.ByKey, {}),
    (good.GoodAuthenticator, {}),
    (good.GoodAlerter, {}),
)


@pytest.fixture(scope="module")
def good_reports():
    """What the kit says of each good twin."""
    return [run(subject(cls, **options)) for cls, options in GOOD]


def test_the_good_twins_pass_every_check(good_reports):
    for report in good_reports:
        assert report.ok, {row.id: row.why for row in report.failed}
    passed = {row.id for report in good_reports for row in report.rows if row.verdict == "pass"}
    # The classes are no installed plugins; the built-in ones are
    assert CHECKS.keys() - passed == {"PLG-02", "SRC-45"}


def test_a_report_says_which_fields_were_ever_filled(good_reports):
    seen = good_reports[0].fields_seen
    assert {"open", "close", "prev_close", "turnover"} <= set(seen["bars"])
    assert "settle" not in seen["bars"]
    assert "industry" not in seen["instruments"]
    assert {"bids", "asks", "trades", "price"} <= set(seen["depth"])


def test_a_check_that_raises_something_else_fails_and_says_so():
    class Odd(good.GoodBalancer):
        def pick(self, candidates):
            raise KeyError("nodes")

    row = run_check(CHECKS["BAL-01"], subject(Odd))
    assert row.verdict == "fail"
    assert "KeyError" in row.why
