from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus_core import BARS, Kind, Symbol, Units
from argus_core.market.frames import to_frame
from argus_core.market.units import provable, prove, scale

S = Symbol("600000.SH")
BAR = {
    "symbol": S,
    "time": "2024-01-15",
    "open": 9.3,
    "high": 9.5,
    "low": 9.2,
    "close": 9.4,
    "volume": 1000.0,
    "turnover": 9350.0,
}


def proof(*changes, rule=Units(), money=True):  # noqa: B008
    frame = to_frame([{**BAR, **change} for change in changes or ({},)], BARS)
    return prove(frame, rule=rule, money=money)[S]


def test_scale_multiplies_without_float_noise():
    frame = pl.DataFrame({"volume": [5251.27, None], "turnover": [460697.377, None]})
    scaled = scale(frame, Units(volume=100, turnover=1000))
    assert scaled.rows() == [(525127.0, 460697377.0), (None, None)]
    assert scale(frame, Units()) is frame


def test_a_true_bar_is_proved():
    found = proof()
    assert (found.status, found.bars, found.proved, found.off) == ("proved", 1, 1, 0)
    assert found.reason is None
    assert not found.faulty


@pytest.mark.parametrize(
    ("volume", "turnover"), [(10.0, 9350.0), (100000.0, 9350.0), (1000.0, 9.35), (1000.0, 9.35e6)]
)
def test_a_factor_of_a_hundred_is_a_fault_that_shows_the_bar(volume, turnover):
    found = proof({}, {"time": "2024-01-16", "volume": volume, "turnover": turnover})
    assert found.status == "flipped"
    assert found.faulty
    assert found.bars == 2
    assert "2024-01-16" in found.reason
    assert str(volume) in found.reason
    assert str(turnover) in found.reason
    assert "[9.2, 9.5]" in found.reason


@pytest.mark.parametrize(("mean", "status"), [(9.6, "off"), (18.9, "off"), (19.2, "flipped")])
def test_a_factor_below_two_is_only_counted(mean, status):
    found = proof({}, {"time": "2024-01-16", "turnover": mean * 1000})
    assert found.status == status
    if status == "off":
        assert (found.proved, found.off) == (1, 1)


@pytest.mark.parametrize(
    ("mean", "status"),
    [
        (9.5 * 1.0055, "proved"),
        (9.5 * 1.0065, "off"),
        (9.2 * 0.9946, "proved"),
        (9.2 * 0.993, "off"),
    ],
)
def test_the_slack_is_half_a_percent_and_one_share_in_a_thousand(mean, status):
    rule = Units(volume_step=0.5, turnover_step=0)
    assert proof({"turnover": mean * 1000}, rule=rule).status == status


def test_what_rounding_to_lots_and_ten_thousands_explains_is_proved():
    # 149 shares at 9.3 said as 100 shares; 1 386 yuan said as 0.1 of ten thousand
    assert proof({"volume": 100.0, "turnover": 149 * 9.3}).status == "off"
    assert proof({"volume": 100.0, "turnover": 149 * 9.3}, rule=Units(volume_step=100)).proved == 1
    odd = {"volume": 149.0, "turnover": 1000.0}
    assert proof(odd).status == "off"
    assert proof(odd, rule=Units(turnover_step=1000)).proved == 1


@pytest.mark.parametrize(
    "change",
    [
        {"close": None},
        {"open": float("nan")},
        {"low": 0.0, "open": 0.0},
        {"close": -1.0, "low": -1.0},
        {"high": 9.1},
        {"open": 9.51},
        {"close": 9.19},
        {"volume": -5.0},
        {"turnover": -5.0},
    ],
)
@pytest.mark.parametrize("money", [True, False])
def test_an_impossible_bar_is_a_fault_for_every_kind(change, money):
    found = proof({}, {"time": "2024-01-16", **change}, money=money)
    assert found.status == "impossible"
    assert found.faulty
    assert "2024-01-16" in found.reason


def test_binary_noise_is_no_disorder_and_a_quiet_bar_needs_no_price():
    assert proof({"close": 9.5 + 1e-8}).status == "proved"
    quiet = {"volume": 0.0, "turnover": 0.0, "open": None, "high": None, "low": None}
    assert proof(quiet, money=False).status == "not applicable"


def test_without_turnover_or_multiplier_nothing_is_claimed():
    assert proof({"turnover": None}).status == "no turnover"
    found = proof({"turnover": 93500.0}, money=False)
    assert (found.status, found.proved, found.off) == ("not applicable", 0, 0)
    assert not found.faulty


def test_each_symbol_has_a_proof_of_its_own():
    other = Symbol("600519.SH")
    rows = [BAR, {**BAR, "symbol": other, "volume": 10.0}]
    proofs = prove(to_frame(rows, BARS), rule=Units(), money=True)
    assert {symbol: p.status for symbol, p in proofs.items()} == {S: "proved", other: "flipped"}


def test_repos_pay_by_an_interest_rate():
    assert provable(S, Kind.STOCK)
    assert provable(Symbol("113050.SH"), Kind.BOND)
    assert not provable(Symbol("204001.SH"), Kind.BOND)
    assert not provable(Symbol("131810.SZ"), Kind.BOND)
    assert not provable(Symbol("000300.SH"), Kind.INDEX)
    assert not provable(Symbol("rb2410.SHFE"), Kind.FUTURE)


PRICE = st.floats(0.05, 3000).map(lambda x: round(x, 2))


@settings(deadline=None, max_examples=60)
@given(
    low=PRICE,
    span=st.floats(0, 0.2),
    at=st.floats(0, 1),
    lots=st.integers(1, 10**7),
    rule=st.sampled_from([(1, 1), (100, 1), (100, 1000), (10, 10000), (1, 10000)]),
)
def test_a_vendors_rounded_numbers_always_prove_after_scaling(low, span, at, lots, rule):
    volume_factor, turnover_factor = rule
    high = round(low * (1 + span), 2)
    shares = lots * 100
    paid = shares * (low + (high - low) * at)
    rules = Units(volume=volume_factor, turnover=turnover_factor, turnover_step=turnover_factor)
    row = {
        **BAR,
        "open": low,
        "close": high,
        "low": low,
        "high": high,
        "volume": shares / volume_factor,
        "turnover": round(paid / turnover_factor),
    }
    frame = scale(to_frame([row], BARS), rules)
    (found,) = prove(frame, rule=rules, money=True).values()
    assert found.status == "proved" or row["turnover"] == 0
    wrong = Units(volume=volume_factor * 100, turnover=turnover_factor)
    (found,) = prove(scale(to_frame([row], BARS), wrong), rule=wrong, money=True).values()
    # A day's turnover below the vendor's own step proves nothing either way
    assert found.faulty or paid < 10 * turnover_factor


def test_every_recorded_daily_row_of_tushare_proves_its_units(market_data):
    files = sorted((market_data / "tushare").glob("daily_raw_*.csv"))
    assert len(files) >= 10
    rule = Units(volume=100, turnover=1000)
    for path in files:
        raw = pl.read_csv(path).rename(
            {"ts_code": "symbol", "trade_date": "time", "vol": "volume", "amount": "turnover"}
        )
        frame = to_frame(raw.with_columns(pl.col("time").cast(pl.String)), BARS)
        (found,) = prove(scale(frame, rule), rule=rule, money=True).values()
        assert (found.status, found.proved) == ("proved", raw.height), path.name
        for wrong in (Units(turnover=1000), Units(volume=100), Units(volume=10000, turnover=1000)):
            (found,) = prove(scale(frame, wrong), rule=wrong, money=True).values()
            assert found.status == "flipped", (path.name, wrong)
