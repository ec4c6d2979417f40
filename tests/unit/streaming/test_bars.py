"""Live bars of one symbol and period: when they begin, what they say, when they are final."""

from collections import Counter
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus_core import SHANGHAI, Period, Quote, Symbol, Trade
from argus_core.streaming.builder import Builder
from argus_core.streaming.slots import LATE, LATE_AT_BREAK, slot_of

SHARE, FUTURE, INDEX = Symbol("600519.SH"), Symbol("rb2410.SHFE"), Symbol("000300.SH")
DAY = date(2024, 3, 15)  # a Friday


def at(clock, day=DAY):
    return datetime.combine(day, datetime.fromisoformat(f"2000-01-01 {clock}").time(), SHANGHAI)


class Tape:
    """A day's trades, told by snapshots: the day's figures add up."""

    def __init__(self, symbol=SHARE, period=Period.M1, day=DAY, **known):
        self.builder = Builder(symbol, period)
        self.day = day
        self.said = []
        self.figures = {"symbol": symbol, "volume": 0.0, "turnover": 0.0, **known}

    def tells(self, clock, price=None, volume=0, *, trades=None, day=None, **figures):
        """A snapshot, after ``volume`` more shares at ``price``; what came of it."""
        now = self.figures
        if volume:
            seen = [one for one in (now.get("high"), now.get("low")) if one is not None]
            now |= {
                "price": price,
                "open": now.get("open") or price,
                "high": max(price, *seen, price),
                "low": min(price, *seen, price),
                "volume": now["volume"] + volume,
                "turnover": now["turnover"] + price * volume,
            }
        now |= figures
        stamp = at(clock, day or self.day)
        return self._keep(self.builder.update(Quote(**now, as_of=stamp), trades, stamp))

    def closes(self, clock, day=None):
        return self._keep(self.builder.closed(at(clock, day or self.day)))

    def _keep(self, bars):
        self.said += bars
        return bars

    @property
    def finals(self):
        return [bar for bar in self.said if bar.final]


def values(bar):
    return (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.turnover)


def trade(clock, price, volume):
    return Trade(price=price, volume=volume, time=at(clock))


# -- where an instant stands ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clock", "period", "end"),
    [
        ("09:25:01", "1m", "09:31:00"),
        ("09:30:00", "1m", "09:31:00"),
        ("09:31:00", "1m", "09:31:00"),
        ("09:31:00.001", "1m", "09:32:00"),
        ("11:29:59", "1m", "11:30:00"),
        ("11:30:03", "1m", "11:30:00"),
        ("12:15:00", "1m", "11:30:00"),
        ("13:00:00", "1m", "13:01:00"),
        ("14:57:30", "1m", "14:58:00"),
        ("15:00:02", "1m", "15:00:00"),
        ("15:25:00", "1m", "15:00:00"),
        ("20:30:00", "1m", "15:00:00"),
        ("09:25:01", "5m", "09:35:00"),
        ("11:00:01", "15m", "11:15:00"),
        ("13:00:01", "30m", "13:30:00"),
        ("09:25:00", "1h", "10:30:00"),
        ("11:00:00", "1h", "11:30:00"),
        ("13:30:00", "1h", "14:00:00"),
        ("14:00:01", "1h", "15:00:00"),
    ],
)
def test_a_snapshot_stands_where_history_would_put_it(clock, period, end):
    slot = slot_of(SHARE, Period(period), at(clock))
    assert (slot.end, slot.date) == (at(end), DAY)


def test_a_trade_at_the_turn_of_the_minute_belongs_to_the_next_one():
    assert slot_of(SHARE, Period.M1, at("09:31:00"), trade=True).end == at("09:32:00")
    assert slot_of(SHARE, Period.M1, at("11:30:00"), trade=True).end == at("11:30:00")
    assert slot_of(SHARE, Period.M1, at("15:00:01.06"), trade=True).end == at("15:00:00")
    assert slot_of(SHARE, Period.M1, at("09:25:00.94"), trade=True).end == at("09:31:00")


@pytest.mark.parametrize(
    ("clock", "day", "end", "trading_date"),
    [
        ("20:59:00", "2024-03-14", "2024-03-14 21:01", "2024-03-15"),
        ("22:59:30", "2024-03-15", "2024-03-15 23:00", "2024-03-18"),
        ("23:00:00.500", "2024-03-15", "2024-03-15 23:00", "2024-03-18"),
        ("08:59:00", "2024-03-18", "2024-03-18 09:01", "2024-03-18"),
        ("10:15:02", "2024-03-18", "2024-03-18 10:15", "2024-03-18"),
        ("10:30:00.5", "2024-03-18", "2024-03-18 10:31", "2024-03-18"),
        ("15:00:00.5", "2024-03-18", "2024-03-18 15:00", "2024-03-18"),
    ],
)
def test_the_night_belongs_to_the_next_trading_date(clock, day, end, trading_date):
    slot = slot_of(FUTURE, Period.M1, at(clock, date.fromisoformat(day)))
    assert slot.end == datetime.fromisoformat(end).replace(tzinfo=SHANGHAI)
    assert slot.date == date.fromisoformat(trading_date)


def test_midnight_lies_within_a_night_that_passes_it():
    gold = Symbol("au2406.SHFE")
    before = slot_of(gold, Period.M1, at("23:59:30", date(2024, 3, 14)))
    assert before.end == at("00:00", date(2024, 3, 15))
    after = slot_of(gold, Period.M1, at("00:00:30", date(2024, 3, 15)))
    assert after.end == at("00:01", date(2024, 3, 15))
    assert before.date == after.date == date(2024, 3, 15)
    assert slot_of(gold, Period.D1, at("02:29", date(2024, 3, 16))).date == date(2024, 3, 18)


# -- of snapshots ---------------------------------------------------------------------------------


def test_the_opening_auction_is_in_the_first_bar():
    tape = Tape()
    assert not tape.tells("09:20:00")
    (auction,) = tape.tells("09:25:01", 10.0, 500)
    assert (auction.time, auction.date, auction.final) == (at("09:31"), DAY, False)
    tape.tells("09:30:03", 10.2, 100)
    tape.tells("09:31:00", 10.1, 100)
    first, second = tape.tells("09:31:03", 10.3, 50)
    assert values(first) == (10.0, 10.2, 10.0, 10.1, 700, 7030)
    assert first.final
    assert not first.partial
    assert values(second) == (10.3, 10.3, 10.3, 10.3, 50, 515)
    assert first.built_from == "snapshots"


def test_the_bar_before_lunch_is_final_soon_after_it():
    tape = Tape()
    tape.tells("09:25:01", 10.0, 100)
    tape.tells("11:29:30", 10.5, 100)
    tape.tells("11:30:02", 10.6, 100)
    assert not tape.closes("11:30:20")
    (bar,) = tape.closes("11:30:21")
    assert values(bar) == (10.5, 10.6, 10.5, 10.6, 200, 2110)
    assert not tape.tells("11:31:03")
    (afternoon,) = tape.tells("13:00:03", 10.4, 100)
    assert (afternoon.time, afternoon.volume) == (at("13:01"), 100)
    assert tape.builder.late == 0


def test_the_closing_auction_is_in_the_last_bar():
    tape = Tape()
    tape.tells("09:25:01", 10.0, 100)
    tape.tells("14:56:58", 10.5, 100)
    tape.tells("14:58:00")
    assert tape.finals[-1].time == at("14:57")
    tape.closes("15:00:01")
    tape.tells("15:00:02", 10.4, 9000)
    (bar,) = tape.closes("15:00:21")
    assert (bar.time, bar.open, bar.volume) == (at("15:00"), 10.4, 9000)
    # 14:57 and 14:58 to 14:59 saw no trade, so there are no bars of them.
    assert [one.time for one in tape.finals] == [at("09:31"), at("14:57"), at("15:00")]


def test_a_trade_between_two_snapshots_that_was_the_days_extreme_is_known():
    tape = Tape()
    tape.tells("09:25:01", 10.0, 100)
    tape.tells("10:00:30", 10.0, 100)
    tape.tells("10:01:03", 10.1, 100, high=10.9, low=9.8)
    tape.tells("10:01:06", 10.0, 100)
    (bar, _) = tape.tells("10:02:03", 10.0, 100)
    assert (bar.high, bar.low) == (10.9, 9.8)
    tape.tells("10:02:30", 10.2, 100)
    (bar, _) = tape.tells("10:03:03", 10.0, 100)
    assert (bar.high, bar.low) == (10.2, 10.0), "the extremes were those of the bar before"


def test_a_minute_without_a_trade_is_no_bar():
    tape = Tape()
    tape.tells("09:25:01", 10.0, 100)
    tape.tells("09:31:30")
    tape.tells("09:32:30")
    tape.tells("09:33:30", 10.0, 100)
    tape.closes("09:40:00")
    assert [bar.time for bar in tape.finals] == [at("09:31"), at("09:34")]


def test_a_suspended_day_has_no_bar():
    for period in Period("1m"), Period("1d"):
        tape = Tape(period=period, prev_close=10.0)
        tape.tells("09:16:00")
        tape.tells("09:30:03")
        tape.tells("14:59:57")
        tape.closes("15:45:00")
        assert tape.said == []


def test_a_beginning_amid_a_bar_tells_only_what_is_known():
    tape = Tape(price=10.0, open=9.0, high=11.0, low=8.0, volume=5000.0, turnover=50_000.0)
    assert not tape.tells("10:00:20")
    (bar,) = tape.tells("10:00:23", 10.2, 100)
    assert values(bar) == (None, None, None, 10.2, None, None)
    assert bar.partial
    (bar,) = tape.tells("10:00:26", 11.5, 100)
    assert values(bar) == (None, 11.5, None, 11.5, None, None), "higher than all before it"
    last, bar = tape.tells("10:01:02", 10.1, 100)
    assert (last.final, last.partial) == (True, True)
    assert values(bar) == (10.1, 10.1, 10.1, 10.1, 100, 1010)
    assert not bar.partial


def test_a_beginning_amid_the_first_bar_misses_nothing():
    tape = Tape(price=10.0, open=9.5, high=11.0, low=9.0, volume=5000.0, turnover=50_000.0)
    (bar,) = tape.tells("09:30:40")
    assert values(bar) == (9.5, 11.0, 9.0, 10.0, 5000, 50_000)
    assert not bar.partial


def test_a_gap_within_a_bar_marks_it():
    tape = Tape()
    tape.tells("09:25:01", 10.0, 100)
    tape.tells("10:00:03", 10.0, 100)
    tape.builder.gap()
    (bar,) = tape.tells("10:00:50", 10.2, 700)
    # The day's figures tell what was traded meanwhile; its prices nobody has heard. That the
    # day's high moved is known all the same.
    assert values(bar) == (10.0, 10.2, None, 10.2, 800, 8140)
    assert bar.partial
    final, bar = tape.tells("10:01:03", 10.1, 100)
    assert (final.partial, bar.partial, bar.volume) == (True, False, 100)


def test_a_gap_across_the_end_of_a_bar_spoils_both():
    tape = Tape()
    tape.tells("09:25:01", 10.0, 100)
    tape.tells("10:00:03", 10.0, 100)
    tape.builder.gap()
    (final,) = tape.tells("10:01:20", 10.2, 700)
    assert (final.final, final.partial) == (True, True)
    assert values(final) == (10.0, None, None, None, None, None)
    (bar,) = tape.tells("10:01:23", 10.2, 100)
    assert bar.partial
    assert bar.volume is None
    (_, bar) = tape.tells("10:02:02", 10.2, 100)
    assert (bar.partial, bar.volume) == (False, 100)


def test_a_gap_in_which_nothing_was_traded_spoils_nothing():
    tape = Tape()
    tape.tells("09:25:01", 10.0, 100)
    tape.tells("10:00:03", 10.0, 100)
    tape.builder.gap()
    tape.tells("10:01:20")
    (bar,) = tape.tells("10:01:23", 10.2, 100)
    assert not tape.finals[-1].partial
    assert values(bar) == (10.2, 10.2, 10.2, 10.2, 100, 1020)
    assert not bar.partial


def test_a_bar_that_ends_in_a_gap_does_not_claim_to_know_its_close():
    tape = Tape()
    tape.tells("09:25:01", 10.0, 100)
    tape.tells("10:00:03", 10.0, 100)
    tape.builder.gap()
    (bar,) = tape.closes("10:01:06")
    assert bar.partial
    assert bar.close is None


def test_a_late_snapshot_never_reopens_a_bar():
    tape = Tape()
    tape.tells("09:25:01", 10.0, 100)
    tape.tells("10:00:03", 10.0, 100)
    assert tape.closes("10:01:06")
    assert not tape.tells("10:00:59", 10.4, 100)
    assert tape.builder.late == 1
    (bar,) = tape.tells("10:01:09", 10.5, 50)
    assert bar.volume == 50
    times = Counter(bar.time for bar in tape.finals)
    assert set(times.values()) == {1}


def test_bars_wait_as_long_as_their_source_lags():
    tape = Tape()
    tape.tells("09:25:01", 10.0, 100)
    builder, stamp = tape.builder, at("10:00:30")
    quote = Quote(symbol=SHARE, price=10.0, volume=200.0, high=10.0, low=10.0, as_of=stamp)
    builder.update(quote, None, stamp, timedelta(seconds=20))
    assert not builder.closed(at("10:01") + LATE + timedelta(seconds=20))
    assert builder.closed(at("10:01") + LATE + timedelta(seconds=21))


def test_what_a_lagging_node_tells_is_not_counted_twice():
    tape = Tape()
    tape.tells("09:25:01", 10.0, 100)
    tape.tells("10:00:30", 10.0, 100)
    stamp = at("10:01:03")
    behind = Quote(symbol=SHARE, price=10.0, volume=150.0, high=10.0, low=10.0, as_of=stamp)
    tape.builder.update(behind, None, stamp)
    (bar,) = tape.tells("10:01:06", 10.0, 30)
    assert bar.volume == 30


def test_yesterdays_figures_under_a_new_stamp_are_no_trade():
    tape = Tape(day=date(2024, 3, 14), prev_close=9.9)
    tape.tells("09:25:01", 10.0, 100)
    tape.tells("14:59:00", 10.0, 100)
    tape.closes("15:01:00")
    count = len(tape.said)
    tape.tells("09:15:00", day=DAY)
    assert len(tape.said) == count
    tape.figures |= {"volume": 0.0, "turnover": 0.0, "open": None, "high": None, "low": None}
    (bar,) = tape.tells("09:25:01", 10.5, 300, day=DAY, prev_close=10.0)
    assert (bar.time, bar.volume, bar.open, bar.partial) == (at("09:31"), 300, 10.5, False)


def test_an_index_has_bars_without_a_volume():
    tape = Tape(symbol=INDEX, volume=None, turnover=None, open=3500.0)
    for clock, price in ("09:59:50", 3500.0), ("10:00:10", 3501.0), ("10:00:40", 3499.0):
        tape.tells(clock, price=price)
        tape.figures["price"] = price
        tape.tells(clock)
    tape.closes("10:01:10")
    bar = tape.finals[-1]
    assert (bar.open, bar.close, bar.volume) == (3501.0, 3499.0, None)


def test_a_day_is_what_its_last_snapshot_says():
    tape = Tape(
        period=Period.D1, price=10.0, open=9.5, high=11.0, low=9.0, volume=5e3, turnover=5e4
    )
    (bar,) = tape.tells("10:30:00")
    assert (bar.time, bar.date) == (at("00:00"), DAY)
    assert values(bar) == (9.5, 11.0, 9.0, 10.0, 5000, 50_000)
    assert not bar.partial
    tape.tells("15:00:02", 10.2, 100)
    assert not tape.closes("15:30:00"), "trading at the closing price goes on until 15:30"
    (final,) = tape.closes("15:31:01")
    assert values(final) == (9.5, 11.0, 9.0, 10.2, 5100, 51_020)
    assert not tape.tells("15:40:00")


def test_the_night_is_part_of_the_day_that_follows():
    night, day = date(2024, 3, 14), DAY
    tape = Tape(FUTURE, Period.D1, day=night)
    tape.tells("20:58:00")
    (bar,) = tape.tells("21:00:01", 3600.0, 10)
    assert bar.date == day
    (bar,) = tape.tells("09:00:01", 3700.0, 10, day=day)
    assert (bar.date, bar.volume, bar.high) == (day, 20, 3700.0)
    minutes = Tape(FUTURE, Period.M1, day=night)
    minutes.tells("20:58:00")
    minutes.tells("20:59:00", 3600.0, 10)
    minutes.tells("22:59:59", 3610.0, 10)
    (last,) = minutes.closes("23:00:21")
    assert (last.time, last.date, last.volume) == (at("23:00", night), day, 10)
    (morning,) = minutes.tells("08:59:00", 3600.0, 7, day=day)
    assert (morning.time, morning.date, morning.volume) == (at("09:01"), day, 7)


def test_nothing_is_said_twice():
    tape = Tape()
    tape.tells("09:25:01", 10.0, 100)
    assert not tape.tells("09:25:03")
    assert not tape.tells("09:30:01", name="贵州茅台")


# -- of trades ------------------------------------------------------------------------------------


def test_a_bar_of_trades_sums_them():
    tape = Tape()
    tape.tells("09:25:00", trades=())
    told = (trade("09:25:00.940", 10.0, 300), trade("09:25:00.940", 10.0, 300))
    (bar,) = tape.tells("09:25:01", 10.0, 600, trades=told)
    assert values(bar) == (10.0, 10.0, 10.0, 10.0, 600, 6000)
    assert (bar.built_from, bar.partial) == ("trades", False)
    told = (trade("09:30:59.9", 10.4, 100), trade("09:31:00.0", 10.1, 50))
    first, second = tape.tells("09:31:00", 10.1, 150, trades=told)
    assert (first.final, first.high, first.volume) == (True, 10.4, 700)
    assert values(second) == (10.1, 10.1, 10.1, 10.1, 50, 505)


def test_trades_may_come_after_the_snapshot_of_the_next_minute():
    tape = Tape()
    tape.tells("09:25:00", trades=())
    tape.tells("09:30:30", 10.0, 100, trades=(trade("09:30:30", 10.0, 100),))
    assert not tape.tells("09:31:01", trades=())
    (bar,) = tape.tells("09:31:01", 10.2, 100, trades=(trade("09:30:59.99", 10.2, 100),))
    assert (bar.time, bar.volume) == (at("09:31"), 200)
    (bar,) = tape.closes("09:31:06")
    assert bar.final
    assert not tape.tells("09:31:02", 10.2, 100, trades=(trade("09:30:59.99", 10.2, 100),))
    assert tape.builder.late == 1


def test_a_gap_among_trades_leaves_no_sum():
    tape = Tape()
    tape.tells("09:25:00", trades=())
    tape.tells("09:30:30", 10.0, 100, trades=(trade("09:30:30", 10.0, 100),))
    tape.builder.gap()
    (bar,) = tape.tells("09:30:40", 10.2, 900, trades=(trade("09:30:40", 10.2, 100),))
    assert values(bar) == (10.0, None, None, 10.2, None, None)
    assert bar.partial
    tape.builder.gap()
    told = (trade("09:31:02", 10.0, 50),)
    _, bar = tape.tells("09:31:02", 10.0, 50, trades=told)
    assert not bar.partial, "the day's volume shows that nothing was missed"


def test_what_futures_cost_does_not_follow_from_their_trades():
    tape = Tape(FUTURE, day=DAY)
    tape.tells("08:58:00", trades=())
    (bar,) = tape.tells("09:00:01", 3600.0, 10, trades=(trade("09:00:01", 3600.0, 10),))
    assert (bar.volume, bar.turnover) == (10, None)


def test_a_stream_that_stops_to_tell_trades_begins_its_bar_anew():
    tape = Tape()
    tape.tells("09:25:00", trades=())
    tape.tells("10:00:30", 10.0, 100, trades=(trade("10:00:30", 10.0, 100),))
    (bar,) = tape.tells("10:00:40", 10.2, 900)
    assert (bar.built_from, bar.partial, bar.volume) == ("snapshots", True, None)
    final, bar = tape.tells("10:01:02", 10.2, 100)
    assert (final.time, bar.partial, bar.volume) == (at("10:01"), False, 100)


# -- the source's own -----------------------------------------------------------------------------


def row(clock, *numbers):
    names = ("open", "high", "low", "close", "volume", "turnover")
    return {"time": at(clock), "date": DAY, "final": True, **dict(zip(names, numbers, strict=True))}


def test_the_sources_own_bar_takes_the_place_of_one_that_differs():
    tape = Tape()
    tape.tells("09:25:01", 10.0, 100)
    tape.tells("09:31:30", 10.4, 100)
    builder = tape.builder
    assert builder.corrected(row("09:31", 10.0, 10.0, 10.0, 10.0, 100, 1000)) is None
    own = builder.corrected(row("09:31", 10.0, 10.1, 9.9, 10.0, 100, 1000))
    assert (own.high, own.low, own.final, own.built_from) == (10.1, 9.9, True, "source")
    assert builder.corrected(row("09:31", 10.0, 10.1, 9.9, 10.0, 100, 1000)) is None
    assert builder.corrected(row("09:32", 1.0, 1.0, 1.0, 1.0, 1, 1)) is None, "not final yet"


def test_what_the_source_does_not_tell_is_no_difference():
    tape = Tape()
    tape.tells("09:25:01", 10.0, 100)
    tape.tells("09:31:30", 10.4, 100)
    assert tape.builder.corrected(row("09:31", 10.0, 10.0, 10.0, 10.0, 100, None)) is None


# -- whatever happens -----------------------------------------------------------------------------

MINUTES = [*range(565, 566), *range(570, 691), *range(780, 901)]
TICKS = st.lists(
    st.tuples(
        st.sampled_from(MINUTES), st.integers(0, 59), st.integers(900, 1100), st.integers(0, 5)
    ),
    max_size=60,
)


def moment(minute, second):
    if minute in (690, 900):
        second = min(second, 10)
    return datetime.combine(DAY, datetime.min.time(), SHANGHAI) + timedelta(
        minutes=minute, seconds=second
    )


def naive_end(stamp, length):
    """The bar of a snapshot, counted on one's fingers."""
    seconds = (stamp - datetime.combine(DAY, datetime.min.time(), SHANGHAI)).total_seconds()
    done = 0
    for opened, closed in (570, 690), (780, 900):
        done += min(max(seconds - opened * 60, 0), (closed - opened) * 60)
        if seconds == opened * 60 or (opened == 570 and seconds < 570 * 60):
            done += 1
    number = max(1, -(-int(done) // (length * 60)))
    minutes = number * length
    end = 570 + minutes if minutes <= 120 else 780 + minutes - 120
    return datetime.combine(DAY, datetime.min.time(), SHANGHAI) + timedelta(minutes=end)


@given(TICKS, st.sampled_from(["1m", "5m", "15m", "30m", "1h"]), st.booleans())
def test_the_bars_are_what_a_naive_count_gives(ticks, name, closing):
    period = Period(name)
    tape = Tape(period=period)
    tape.tells("09:15:00")
    groups: dict[datetime, list[tuple[float, int]]] = {}
    for minute, second, cents, lots in sorted(ticks, key=lambda tick: tick[:2]):
        stamp = moment(minute, second)
        if closing:
            tape.closes(stamp.time().isoformat())
        tape.tells(stamp.time().isoformat(), cents / 100, lots * 100)
        if lots:
            groups.setdefault(naive_end(stamp, period.minutes), []).append((cents, lots))
    tape.closes("16:00:00")
    finals = tape.finals
    assert [bar.time for bar in finals] == sorted(groups), "each once, in order"
    for bar in finals:
        told = groups[bar.time]
        prices = [cents / 100 for cents, _ in told]
        assert (bar.open, bar.high, bar.low, bar.close) == (
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
        )
        assert bar.volume == sum(lots * 100 for _, lots in told)
        assert bar.turnover == pytest.approx(sum(cents * lots for cents, lots in told), abs=1e-3)
        assert not bar.partial
    assert sum(bar.volume for bar in finals) == tape.figures["volume"]
    assert tape.builder.late == 0


@given(TICKS, st.lists(st.integers(0, 60), max_size=5), st.integers(0, 60))
def test_gaps_and_late_beginnings_never_make_a_whole_bar_wrong(ticks, gaps, skipped):
    ordered = sorted(ticks, key=lambda tick: tick[:2])
    whole = Tape()
    whole.tells("09:15:00")
    heard = Tape()
    for number, (minute, second, cents, lots) in enumerate(ordered):
        clock = moment(minute, second).time().isoformat()
        whole.tells(clock, cents / 100, lots * 100)
        heard.figures = dict(whole.figures)
        if number in gaps:
            heard.builder.gap()  # this one was not heard
        elif number >= skipped:
            heard.tells(clock)
    whole.closes("16:00:00")
    heard.closes("16:00:00")
    true = {bar.time: bar for bar in whole.finals}
    assert max(Counter(bar.time for bar in heard.finals).values(), default=1) == 1
    for bar in heard.finals:
        known = true[bar.time]
        if not bar.partial:
            assert (bar.volume, bar.turnover, bar.close) == (
                known.volume,
                known.turnover,
                known.close,
            )
        for name in ("open", "high", "low", "volume", "turnover", "close"):
            value = getattr(bar, name)
            assert value is None or value == getattr(known, name), name


DEALS = st.lists(
    st.tuples(st.integers(0, 299_999), st.integers(900, 1100), st.integers(1, 5)), max_size=40
)


@given(DEALS, st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=40, max_size=40))
def test_trades_that_are_lost_never_make_a_whole_bar_wrong(deals, pushes):
    """``pushes`` says how many trades come at once, and whether they are heard."""
    begins = at("10:00:00")
    told = [
        Trade(price=cents / 100, volume=lots * 100.0, time=begins + timedelta(milliseconds=ms))
        for ms, cents, lots in sorted(deals)
    ]
    true: dict[datetime, list[Trade]] = {}
    for one in told:
        end = one.time.replace(second=0, microsecond=0) + timedelta(minutes=1)
        true.setdefault(end, []).append(one)
    tape, start, all_heard = Tape(), 0, True
    tape.tells("09:29:00", trades=())
    for many, heard in pushes:
        part = told[start : start + many]
        start += many
        if not part:
            break
        tape.figures["volume"] += sum(one.volume for one in part)
        if heard:
            tape.tells(part[-1].time.time().isoformat(), trades=tuple(part))
        else:
            tape.builder.gap()
            all_heard = False
    tape.closes("10:06:00")
    assert max(Counter(bar.time for bar in tape.finals).values(), default=1) == 1
    if all_heard:
        assert [bar.time for bar in tape.finals] == sorted(true)
    for bar in tape.finals:
        prices = [one.price for one in true[bar.time]]
        own = {
            "open": prices[0],
            "high": max(prices),
            "low": min(prices),
            "close": prices[-1],
            "volume": sum(one.volume for one in true[bar.time]),
        }
        for name, value in own.items():
            said = getattr(bar, name)
            assert said == value or (bar.partial and said is None), name
        assert not (all_heard and bar.partial)


def test_the_waits_are_a_few_seconds():
    assert timedelta(seconds=1) < LATE < LATE_AT_BREAK < timedelta(seconds=30)
