"""The table of an RQData source: logins, addresses, secrets, and what the source says of itself."""

import sys

import pytest
from pydantic import ValidationError

from argus_core import Clock, Exchange, Kind, Period, PluginError, Source, Symbol
from argus_rqdatac import register_source
from argus_rqdatac.sdk import load
from argus_rqdatac.settings import RqdatacSettings
from argus_rqdatac.source import RqdatacSource
from argus_rqdatac.units import UNITS

SECRET = "s3cr3t-0123456789"


def settings(**more):
    return RqdatacSettings.model_validate({"username": "u", "password": SECRET} | more)


def test_a_name_and_a_password():
    assert settings().login == ("u", SECRET)


def test_a_license_key_is_a_password_of_the_user_license():
    found = RqdatacSettings.model_validate({"license_key": SECRET})
    assert found.login == ("license", SECRET)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"username": "u"},
        {"password": SECRET},
        {"username": "u", "password": ""},
        {"license_key": ""},
        {"username": "u", "password": SECRET, "license_key": SECRET},
        {"username": "u", "license_key": SECRET},
    ],
)
def test_anything_else_is_no_login_and_is_not_printed(table):
    with pytest.raises(ValidationError) as error:
        RqdatacSettings.model_validate(table)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("live_url", "http://rqdata.ricequant.com/live_md"),
        ("live_url", "ws://rqdata.ricequant.com/live_md"),
        ("live_url", "wss://u:p@rqdata.ricequant.com/live_md"),
        ("quota_every", 60),  # asked for at most every five minutes
        ("quota_guard", 0),
        ("timeout", 0),
        ("port", 0),
        ("host", ""),
        ("unknown", 1),
    ],
)
def test_unusable_values_are_refused(key, value):
    with pytest.raises(ValidationError, match=key):
        settings(**{key: value})


def test_the_live_socket_may_be_plain_on_this_machine():
    assert settings(live_url="ws://127.0.0.1:1/live").live_url == "ws://127.0.0.1:1/live"


def test_secrets_stay_out_of_texts():
    source = RqdatacSource("rq", settings(), Clock())
    assert SECRET not in repr(source.settings) + str(source.settings) + repr(vars(source))


def test_the_source_states_its_facts():
    source = register_source()
    assert issubclass(source, Source)
    assert source.isolation == "process"
    assert source.logins == 1
    assert source.max_concurrency == 1
    assert source.periods == {Period.M1, Period.D1}
    assert source.kinds == set(Kind) - {Kind.UNKNOWN}
    assert source.exchanges == set(Exchange)
    assert source.pushes()
    assert source.offers() == {
        *("quotes", "depth", "bars", "ticks", "factors", "instruments", "listings"),
        *("calendar", "sectors", "main_contracts"),
    }


def test_without_bjse_beijing_is_not_offered():
    source = RqdatacSource("rq", settings(enable_bjse=False), Clock())
    assert Exchange.BJ not in source.exchanges


@pytest.mark.parametrize(
    ("symbol", "kind", "volume", "turnover_step"),
    [
        ("600519.SH", Kind.STOCK, 1.0, 1.0),
        ("000300.SH", Kind.INDEX, 1.0, 1.0),
        ("510300.SH", Kind.FUND, None, 1.0),  # no sample is printed anywhere: the core infers it
        ("113050.SH", Kind.BOND, 1.0, 0.01),
        ("204001.SH", Kind.BOND, 10.0, 1.0),
        ("131810.SZ", Kind.BOND, 10.0, 1.0),
        ("131810.SH", Kind.BOND, 1.0, 0.01),
        ("rb2410.SHFE", Kind.FUTURE, 1.0, 1.0),
        ("10006000.SH", Kind.OPTION, 1.0, 1.0),
    ],
)
@pytest.mark.parametrize("dataset", ["bars", "ticks", "quotes", "depth"])
def test_units(dataset, symbol, kind, volume, turnover_step):
    rule = next(u for u in UNITS if u.covers(dataset, Symbol(symbol), kind, Period.D1))
    assert (rule.volume, rule.turnover, rule.turnover_step) == (volume, 1.0, turnover_step)


def test_a_missing_package_is_named_with_the_cure(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "rqdatac"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rqdatac", None)
    with pytest.raises(PluginError) as error:
        load()
    assert 'pip install "argus-marketdata[rqdatac]"' in str(error.value)
