"""What the vendor's errors and warnings mean; its own words are never passed on."""

from datetime import date, datetime
from socket import gaierror

import pytest

from argus_core import (
    SHANGHAI,
    BadData,
    LoginFailed,
    NotOffered,
    PermissionDenied,
    SourceTimeout,
    SourceUnavailable,
    Throttled,
)
from argus_rqdatac.cells import day, instant, number, stamp, text
from argus_rqdatac.refusals import meaning, swallowed, until_midnight

NOW = datetime(2024, 6, 28, 22, 0, tzinfo=SHANGHAI)
SAID = "user someone with password s3cr3t at 10.0.0.1"


def vendor_error(*names):
    """An error of classes with these names, the parent first, in the vendor's package."""
    cls = Exception
    for name in names:
        cls = type(name, (cls,), {"__module__": "rqdatac.share.errors"})
    return cls(SAID)


BACKEND = ("RQDataError", "ErrorFromBackend")
CASES = [
    (("RQDataError", "AuthenticationFailed"), LoginFailed),
    ((*BACKEND, "PermissionDenied"), PermissionDenied),
    ((*BACKEND, "QuotaExceeded"), Throttled),
    ((*BACKEND, "MarketNotSupportError"), NotOffered),
    ((*BACKEND, "NoSuchService"), NotOffered),
    ((*BACKEND, "BadRequest"), SourceUnavailable),
    (BACKEND, SourceUnavailable),
    (("RQDataError",), SourceUnavailable),
    (("RQDataError", "InternalError", "GatewayError"), SourceUnavailable),
]


@pytest.mark.parametrize(("names", "expected"), CASES)
def test_the_vendors_classes(names, expected):
    found = meaning(vendor_error(*names), "bars", NOW)
    assert type(found) is expected
    assert "s3cr3t" not in str(found)
    assert "10.0.0.1" not in str(found)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(SAID), SourceTimeout),
        (ConnectionRefusedError(SAID), SourceUnavailable),
        (OSError(SAID), SourceUnavailable),
        (AssertionError(SAID), SourceUnavailable),
        (KeyError(SAID), SourceUnavailable),
        (ValueError(SAID), SourceUnavailable),
        (PermissionError(SAID), SourceUnavailable),  # the system's, not the vendor's
    ],
)
def test_other_errors_are_named_by_their_class_only(error, expected):
    found = meaning(error, "bars", NOW)
    assert type(found) is expected
    assert "s3cr3t" not in str(found)
    if expected is SourceUnavailable:
        assert type(error).__name__ in str(found)


def test_our_own_errors_stay_themselves():
    error = BadData("nonsense")
    assert meaning(error, "bars", NOW) is error


def test_too_many_sessions_is_about_the_account_and_not_about_the_dataset():
    error = vendor_error(*BACKEND, "PermissionDenied")
    error.args = ("login session num reached MAX limit",)
    found = meaning(error, "bars", NOW)
    assert isinstance(found, LoginFailed)
    assert "sessions" in str(found)


def test_a_used_up_quota_lasts_until_midnight_in_beijing():
    found = meaning(vendor_error(*BACKEND, "QuotaExceeded"), "bars", NOW)
    assert found.retry_after == until_midnight(NOW) == 7200
    assert "does not say at what hour" in str(found)


HISTORY = "get history minbar price failed: "


@pytest.mark.parametrize(
    ("warning", "expected"),
    [
        (HISTORY + "permission denied", PermissionDenied),
        ("get history tick failed: permission denied", PermissionDenied),
        ("Not permit to get realtime minbar price", PermissionDenied),
        (HISTORY + "market not supported yet.", NotOffered),
        (HISTORY + "Can't found the request service", NotOffered),
        (HISTORY + "login session num reached MAX limit", LoginFailed),
        ("get history tick failed: login session num reached MAX limit", LoginFailed),
    ],
)
def test_swallowed_refusals_are_errors_again(warning, expected):
    found = swallowed(["Pandas4Warning: something", warning], "1m bars")
    assert type(found) is expected


def test_other_warnings_are_nothing():
    assert swallowed(["invalid order_book_id: 999999.XSHE", "start_date is earlier"], "x") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0000-00-00", None),
        (None, None),
        (float("nan"), None),
        ("2001-08-27", date(2001, 8, 27)),
        (datetime.fromisoformat("2001-08-27T01:00"), date(2001, 8, 27)),
        (date(2001, 8, 27), date(2001, 8, 27)),
        (20010827, date(2001, 8, 27)),
    ],
)
def test_dates(value, expected):
    assert day(value) == expected


def test_nonsense_is_bad_data():
    with pytest.raises(BadData):
        day("someday")
    with pytest.raises(BadData):
        number("12")
    with pytest.raises(BadData):
        number(True)


def test_the_year_one_is_no_instant_and_naive_times_are_beijings():
    assert instant(datetime.fromisoformat("0001-01-01")) is None
    assert (
        instant(datetime.fromisoformat("2024-01-02T09:31")).isoformat()
        == "2024-01-02T09:31:00+08:00"
    )


@pytest.mark.parametrize("value", [20240102093100500, "20240102093100500"])
def test_pushes_write_instants_in_17_digits(value):
    assert stamp(value).isoformat() == "2024-01-02T09:31:00.500000+08:00"


@pytest.mark.parametrize("value", [20240102093100, None, "x" * 17, 20249902093100500])
def test_anything_else_is_no_instant(value):
    assert stamp(value) is None


def test_words_for_nothing_are_nothing():
    assert [text(word) for word in ("null", " ", None, 1.0, " 银行 ")] == [None] * 4 + ["银行"]


@pytest.mark.parametrize("error", [ConnectionRefusedError(SAID), gaierror(SAID)])
def test_a_server_that_is_not_there_is_told_with_where_to_look(error):
    found = meaning(error, "the quota", NOW)
    assert type(found) is SourceUnavailable
    assert "host and port" in found.message
    assert "10.0.0.1" not in found.message
