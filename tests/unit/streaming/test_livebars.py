"""The live bars that are listened to: who hears what of them, and what the source says after."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import pytest
from support.clock import TestClock

from argus_core import SHANGHAI, BadData, Depth, Period, Quote, Symbol, Trade
from argus_core.config import Config
from argus_core.gateway import Gateway
from argus_core.model.answer import Answer, Provenance
from argus_core.model.ask import Ask, Deadline
from argus_core.model.query import HistoryQuery
from argus_core.model.records import Gap
from argus_core.model.request import Priority, current_request
from argus_core.streaming import livebars
from argus_core.streaming.hub import Hub
from argus_core.streaming.lanes import QUEUED, Lane
from argus_core.streaming.lines import Line
from argus_core.streaming.livebars import MOST, SEALED, LiveBars
from argus_core.streaming.topics import BAR_PERIODS, QUOTES, Carrier

SHARE, OTHER = Symbol("600519.SH"), Symbol("000001.SZ")
CARRIER = Carrier("qmt", "push")
REPLAY = Carrier("tape", "push", replay={"day": "2024-03-15", "speed": 60.0})
MINUTES = "bars.1m"


def at(clock):
    return datetime.fromisoformat(f"2024-03-15 {clock}").replace(tzinfo=SHANGHAI)


class Supply:
    def want(self, symbols):
        pass

    def drop(self, symbols):
        pass


class Ear:
    """A listener who reads only when the test does."""

    def __init__(self):
        self.notices = []

    def ready(self, lane):
        pass

    def notice(self, notice):
        self.notices.append(notice)


class View:
    lasting = True

    def __init__(self, channel):
        self.channel = channel

    def fragment(self, update):
        return update


class Desk:
    """Live bars, and the hub in which they are said."""

    def __init__(self, history=None):
        self.clock = TestClock("2024-03-15 10:00:00")
        later = lambda seconds, act: asyncio.get_running_loop().call_later(seconds, act)  # noqa: E731
        self.hub = Hub(epoch="e", grace=1.0, supply=Supply(), later=later)
        self.lines = {symbol: Line(symbol, source="qmt") for symbol in (SHARE, OTHER)}
        self.bars = LiveBars(self.hub, self.lines, clock=self.clock, history=history)
        self.volumes = {}

    def brought(self, clock, price, *, symbol=SHARE, carrier=CARRIER, lots=1, said=None, **more):
        volume = self.volumes[symbol] = self.volumes.get(symbol, 1000.0) + lots * 100
        figures = {"open": 9.0, "high": 11.0, "low": 8.0, "volume": volume, "turnover": volume * 10}
        quote = Quote(symbol=symbol, as_of=at(clock), price=price, **figures)
        self.bars.brought(symbol, quote, carrier, at(said or clock), **more)
        return quote

    def last(self, channel=MINUTES, symbol=SHARE):
        topic = self.hub.topics.get((channel, symbol))
        return None if topic is None or topic.last is None else topic.last.value

    def listens(self, channel=MINUTES, symbols=(SHARE,)):
        lane = Lane(Ear())
        self.hub.listen(lane, View(channel), symbols)
        return lane


def said(lane):
    """What a lane holds, in the order in which it is sent."""
    batch = lane.taken()
    if batch is None:
        return []
    return [one.value for _, one in (*batch.each, *batch.latest.items())]


# -- who hears what -------------------------------------------------------------------------------


async def test_nothing_is_made_that_nobody_asked_for():
    desk = Desk()
    desk.bars.begin(QUOTES, (SHARE,))
    desk.brought("10:00:03", 10.0)
    assert not desk.hub.topics


async def test_every_period_has_its_own_bar():
    desk = Desk()
    for channel in BAR_PERIODS:
        desk.bars.begin(channel, (SHARE,))
    desk.brought("10:00:00", 10.0)
    desk.brought("10:00:03", 10.0)
    ends = {channel: desk.last(channel).time for channel in BAR_PERIODS}
    assert ends == {
        "bars.1m": at("10:01"),
        "bars.5m": at("10:05"),
        "bars.15m": at("10:15"),
        "bars.30m": at("10:30"),
        "bars.1h": at("10:30"),
        "bars.1d": at("00:00"),
    }
    assert [desk.last(channel).period for channel in BAR_PERIODS] == list(BAR_PERIODS.values())


async def test_the_bar_in_the_making_is_the_first_that_a_listener_hears():
    desk = Desk()
    quote = Quote(symbol=SHARE, as_of=at("10:00:00"), price=10.0, open=9.0, volume=500.0)
    desk.hub.say((QUOTES, SHARE), quote, CARRIER, at("10:00:00"))
    desk.bars.begin("bars.1d", (SHARE,))
    assert (desk.last("bars.1d").open, desk.last("bars.1d").volume) == (9.0, 500.0)
    desk.bars.begin("bars.1d", (SHARE,))
    assert desk.hub.topics["bars.1d", SHARE].seq == 1


async def test_what_was_old_already_is_no_beginning_to_go_on_from():
    desk = Desk()
    quote = Quote(symbol=SHARE, as_of=at("09:59:50"), price=10.0, high=11.0, low=8.0, volume=500.0)
    desk.hub.say((QUOTES, SHARE), quote, CARRIER, at("10:00:00"), stale=True)
    desk.bars.begin(MINUTES, (SHARE,))
    desk.brought("10:00:03", 10.0)
    desk.brought("10:00:06", 10.0)
    assert desk.last().partial


async def test_a_slow_listener_hears_each_final_bar_once_and_in_order():
    desk = Desk()
    desk.bars.begin(MINUTES, (SHARE,))
    lane = desk.listens()
    for minute in range(10):
        for second in (5, 25, 45):
            desk.brought(f"10:0{minute}:{second:02}", 10.0 + second / 100)
    bars = said(lane)
    finals = [bar.time for bar in bars if bar.final]
    assert finals == [at(f"10:0{minute}") for minute in range(1, 10)]
    assert [bar.time for bar in bars] == sorted(bar.time for bar in bars)
    assert bars[-1].final is False
    seqs = [update.seq for update in lane_updates(desk)]
    assert seqs == sorted(seqs)


def lane_updates(desk):
    """The updates that a listener gets who begins anew and reads after each one."""
    lane, got = desk.listens(), []
    for second in range(3, 60, 3):
        desk.brought(f"10:20:{second:02}", 10.0)
        batch = lane.taken()
        got += [one for _, one in (*batch.each, *batch.latest.items())]
    return got


async def test_what_waits_is_bounded_and_what_is_lost_is_counted():
    desk = Desk()
    lane = desk.listens()
    key = (MINUTES, SHARE)
    desk.bars.begin(MINUTES, (SHARE,))
    for hour in (10, 13):
        for minute in range(60):
            desk.brought(f"{hour}:{minute:02}:30", 10.0)
            desk.brought(f"{hour}:{minute:02}:40", 10.1)
    for minute in range(60):
        desk.brought(f"14:{minute:02}:30", 10.0)
        desk.brought(f"14:{minute:02}:40", 10.1)
    batch = lane.taken()
    assert len(batch.each) <= QUEUED
    heard = len(batch.each) + len(batch.latest)
    lost, skipped = batch.lost.get(key, 0), batch.skipped.get(key, 0)
    assert heard + lost + skipped == desk.hub.topics[key].seq


# -- the clock ------------------------------------------------------------------------------------


async def test_a_bar_is_final_when_its_time_is_over():
    desk = Desk()
    desk.bars.begin(MINUTES, (SHARE,))
    desk.brought("10:00:00", 10.0)
    desk.brought("10:00:03", 10.0)
    desk.bars.closed(at("10:01:05"))
    assert not desk.last().final
    desk.bars.closed(at("10:01:06"))
    assert desk.last().final


async def test_a_recorded_day_has_a_clock_of_its_own():
    desk = Desk()
    for channel in (MINUTES, "bars.1d"):
        desk.bars.begin(channel, (SHARE, OTHER))
    for symbol in (SHARE, OTHER):
        desk.brought("10:00:00", 10.0, symbol=symbol, carrier=REPLAY)
        desk.brought("10:00:03", 10.0, symbol=symbol, carrier=REPLAY)
    desk.bars.closed(at("15:00:00") + timedelta(days=365))
    assert not desk.last().final, "it is 10:00 there, whatever it is here"
    desk.brought("10:01:10", 10.0, symbol=OTHER, carrier=REPLAY)
    desk.bars.closed(at("15:00:00") + timedelta(days=365))
    assert desk.last().final
    assert not desk.last("bars.1d").final


async def test_a_recorded_day_is_known_as_one_from_its_first_word():
    desk = Desk()
    quote = Quote(symbol=SHARE, as_of=at("09:30:40"), price=10.0, high=11.0, low=9.0, volume=500.0)
    desk.hub.say((QUOTES, SHARE), quote, REPLAY, at("10:00:00") + timedelta(days=365))
    desk.bars.begin(MINUTES, (SHARE,))
    desk.bars.closed(at("10:00:05") + timedelta(days=365))
    assert (desk.last().time, desk.last().final) == (at("09:31"), False)


async def test_a_recorded_day_may_begin_again():
    desk = Desk()
    desk.bars.begin(MINUTES, (SHARE,))
    desk.brought("14:00:00", 10.0, carrier=REPLAY)
    desk.brought("14:00:03", 10.0, carrier=REPLAY)
    desk.volumes.clear()
    desk.brought("10:00:00", 10.0, carrier=REPLAY)
    desk.brought("10:00:03", 10.5, carrier=REPLAY)
    assert (desk.last().time, desk.last().close) == (at("10:01"), 10.5)
    assert desk.bars.late == 0


async def test_builders_end_when_their_symbol_is_not_brought_any_more():
    desk = Desk()
    desk.bars.begin(MINUTES, (SHARE,))
    desk.brought("10:00:00", 10.0)
    del desk.lines[SHARE]
    desk.bars.closed(at("10:00:05"))
    desk.brought("10:00:06", 10.0)
    assert desk.last() is None


async def test_a_symbol_that_is_brought_anew_has_bars_that_begin_anew():
    desk = Desk()
    desk.bars.begin(MINUTES, (SHARE,))
    desk.brought("10:00:55", 10.0)
    desk.lines[SHARE] = Line(SHARE)
    desk.bars.begin(MINUTES, (SHARE,))
    desk.brought("10:01:20", 10.0)
    desk.brought("10:01:23", 10.0)
    assert desk.last().partial


async def test_what_was_asked_for_before_the_stream_began_is_no_part_of_it():
    for source, partial in ("qmt", False), (None, True):
        desk = Desk()
        desk.lines[SHARE] = Line(SHARE, source=source)
        known = desk.brought("09:59:40", 10.0)
        desk.hub.say((QUOTES, SHARE), known, CARRIER, at("09:59:58"))
        desk.bars.begin(MINUTES, (SHARE,))
        desk.brought("10:00:03", 10.0)
        desk.brought("10:00:06", 10.0)
        assert desk.last().partial is partial


async def test_a_gap_and_what_is_stale_leave_their_mark():
    for gap in (
        lambda desk: desk.bars.gap((SHARE,)),
        lambda desk: desk.brought("10:01:20", 10.0, stale=True),
    ):
        desk = Desk()
        desk.bars.begin(MINUTES, (SHARE,))
        desk.brought("10:00:55", 10.0)
        desk.brought("10:01:03", 10.0)
        assert not desk.last().partial
        gap(desk)
        desk.brought("10:01:30", 10.0)
        assert desk.last().partial


async def test_a_bar_that_nobody_goes_on_with_is_said_to_be_old():
    desk = Desk()
    desk.bars.begin(MINUTES, (SHARE, OTHER))
    desk.brought("10:00:00", 10.0)
    desk.brought("10:00:03", 10.0)
    desk.bars.outdated((SHARE, OTHER), at("10:00:20"))
    topic = desk.hub.topics[MINUTES, SHARE]
    assert (topic.last.stale, topic.last.value.close, topic.seq) == (True, 10.0, 2)
    desk.bars.outdated((SHARE,), at("10:00:21"))
    assert topic.seq == 2
    desk.brought("10:00:40", 10.5)
    assert (topic.last.stale, topic.last.value.partial) == (False, True)


# -- the source's own -----------------------------------------------------------------------------


class Past:
    """Answers for the history, with bars that differ from what was heard in their high."""

    def __init__(self, *, final=True, error=None, stale=False, **origin):
        self.asked = []
        self.priorities = []
        self.final, self.error, self.origin = final, error, {"stale": stale, **origin}

    async def __call__(self, query, ask):
        self.asked.append((query, ask))
        self.priorities.append(current_request().priority)
        if self.error:
            raise self.error
        rows = {
            "time": [query.start],
            "date": [query.start.date()],
            **{name: [10.0] for name in ("open", "low", "close")},
            "high": [10.9],
            "volume": [100.0],
            "turnover": [1000.0],
            "final": [self.final],
        }
        origin = Provenance(
            source="tushare",
            fetched_at=query.start,
            fresh_until=query.start,
            **self.origin,
        )
        return Answer(
            data={symbol: pl.DataFrame(rows) for symbol in query.symbols},
            errors={},
            provenance=dict.fromkeys(query.symbols, origin),
        )


async def finished(past, *, symbols=(SHARE,)):
    """A desk with the bar of 10:01 final, and the source asked when it is time."""
    desk = Desk(history=past)
    desk.bars.begin(MINUTES, symbols)
    for symbol in symbols:
        for clock in ("09:59:58", "10:00:03", "10:01:02"):
            desk.brought(clock, 10.0, symbol=symbol)
    await desk.bars.replaced()
    assert not past.asked, "not before the source can have it"
    desk.clock.advance(SEALED)
    await desk.bars.replaced()
    return desk


async def test_the_sources_own_bars_take_their_place_in_one_call():
    past = Past()
    desk = await finished(past, symbols=(SHARE, OTHER))
    ((query, ask),) = past.asked
    assert query == HistoryQuery(
        symbols=(SHARE, OTHER), period=Period.M1, start=at("10:01"), end=at("10:01")
    )
    assert (ask.use_cache, ask.background) == (False, True)
    assert past.priorities == [Priority.BATCH]
    update = desk.hub.topics[MINUTES, SHARE].last
    assert (update.value.time, update.value.high, update.value.final) == (at("10:01"), 10.9, True)
    assert update.value.built_from == "source"
    assert update.carrier.source == "tushare"
    desk.clock.advance(60)
    await desk.bars.replaced()
    assert len(past.asked) == 1


async def test_the_sources_own_bars_say_whose_they_are_and_out_of_which_day():
    past = Past(path=("qmt",), simulated=True, replay=REPLAY.replay)
    desk = await finished(past)
    carrier = desk.hub.topics[MINUTES, SHARE].last.carrier
    assert carrier == Carrier("qmt", "poll", ("tushare",), simulated=True, replay=REPLAY.replay)


@pytest.mark.parametrize(
    "past",
    [
        Past(final=False),
        Past(stale=True),
        Past(error=BadData("the vendor sent nonsense")),
        Past(error=RuntimeError("a bug")),
    ],
)
async def test_where_they_cannot_be_had_nothing_happens(past):
    desk = await finished(past)
    assert len(past.asked) == 1
    assert desk.last().built_from == "snapshots"
    for minute in range(2, 11):
        desk.brought(f"10:{minute:02}:03", 10.0)
        desk.clock.advance(60)
        await desk.bars.replaced()
    assert len(past.asked) == 1, "whoever has none is left alone for a while"
    for minute in (11, 12, 13):
        desk.brought(f"10:{minute:02}:03", 10.0)
        desk.clock.advance(60)
        await desk.bars.replaced()
    assert len(past.asked) == 2


async def test_whoever_is_final_later_is_not_asked_for_again():
    past = Past()
    desk = await finished(past)
    desk.bars.begin(MINUTES, (OTHER,))
    for clock in ("09:59:58", "10:00:03", "10:01:02"):
        desk.brought(clock, 10.0, symbol=OTHER)
    desk.clock.advance(SEALED)
    await desk.bars.replaced()
    assert len(past.asked) == 1


async def test_no_more_are_asked_for_than_one_question_may_hold():
    past = Past()
    symbols = tuple(Symbol(f"{600000 + number}.SH") for number in range(MOST + 50))
    desk = Desk(history=past)
    desk.lines.update({symbol: Line(symbol, source="qmt") for symbol in symbols})
    desk.bars.begin(MINUTES, symbols)
    for symbol in symbols:
        for clock in ("09:59:58", "10:00:03", "10:01:02"):
            desk.brought(clock, 10.0, symbol=symbol)
    desk.clock.advance(SEALED)
    await desk.bars.replaced()
    assert len(past.asked[0][0].symbols) == MOST


# -- in the house ---------------------------------------------------------------------------------


@pytest.mark.parametrize("built_from", ["snapshots", "trades"])
async def test_a_simulated_market_has_the_bars_that_its_history_tells(built_from):
    """The demo's exchange draws each day once, in ticks and in minutes."""
    desk, finals = Desk(), []
    desk.clock = clock = TestClock("2024-03-15 09:58:30")
    origin = Carrier("demo", "poll", simulated=True)
    async with demo(clock) as argus:
        lanes = []
        for channel in (MINUTES, "bars.5m"):
            desk.bars.begin(channel, (SHARE,))
            lanes.append(desk.listens(channel))
        for _ in range(220):
            clock.advance(3)
            answer = await argus.depth((SHARE,), 5, terms(clock, use_cache=False))
            book = answer.data[SHARE]
            value = replace(book, trades=book.trades[-1:]) if built_from == "trades" else book.quote
            desk.bars.brought(SHARE, value, origin, clock.now())
            desk.bars.closed(clock.now())
            finals += [bar for lane in lanes for bar in said(lane) if bar.final]
        for period, count in (Period.M1, 10), (Period.M5, 1):
            own = [bar for bar in finals if bar.period is period and not bar.partial]
            assert [bar.built_from for bar in own] == [built_from] * count
            query = HistoryQuery(
                symbols=(SHARE,), period=period, start=own[0].time, end=own[-1].time
            )
            answer = await argus.history(query, terms(clock))
            names = ["time", "open", "high", "low", "close", "volume", "turnover"]
            told = answer.data[SHARE].filter(pl.col("final")).select(names).rows()
            assert [tuple(getattr(bar, name) for name in names) for bar in own] == told


async def test_whoever_begins_to_listen_to_a_day_hears_it_at_once():
    clock = TestClock("2024-03-15 10:00:00")
    async with demo(clock) as argus:
        streaming = argus.streaming
        with streaming.held((SHARE,)):
            ready = await streaming.ready("bars.1d", (SHARE,))
            assert ready.symbols == (SHARE,)
            quote = streaming.hub.topics[QUOTES, SHARE].last.value
            bar = streaming.hub.topics["bars.1d", SHARE].last.value
    assert (bar.open, bar.high, bar.low) == (quote.open, quote.high, quote.low)
    assert (bar.close, bar.volume, bar.turnover) == (quote.price, quote.volume, quote.turnover)
    assert (bar.date.isoformat(), bar.final) == ("2024-03-15", False)


def demo(clock):
    return Gateway(Config.parse({"sources": {"demo": {"plugin": "demo"}}}, {}), clock=clock)


def terms(clock, **more):
    return Ask(deadline=Deadline.within(5, clock), **more)


async def test_trades_and_gaps_reach_the_bars_through_the_desk():
    async with demo(TestClock("2024-03-15 10:00:00")) as argus:
        streaming = argus.streaming
        with streaming.held((SHARE,)):
            streaming.bars.begin(MINUTES, (SHARE,))
            line = streaming.supplier.lines[SHARE]

            def push(stamp, volume, *trades):
                quote = Quote(symbol=SHARE, as_of=at(stamp), price=10.0, volume=volume)
                told = tuple(Trade(price=10.0, volume=v, time=at(when)) for when, v in trades)
                streaming.brought(line, Depth(quote=quote, trades=told), CARRIER, at(stamp))

            push("09:59:59", 1000.0, ("09:59:58", 100.0))
            push("10:00:02", 1100.0, ("10:00:01", 100.0))
            bar = streaming.hub.topics[MINUTES, SHARE].last.value
            assert (bar.built_from, bar.volume, bar.partial) == ("trades", 100.0, False)
            streaming.gap((SHARE,), Gap(symbols=(SHARE,), reason="lost"))
            push("10:00:05", 1900.0, ("10:00:04", 100.0))
            assert streaming.hub.topics[MINUTES, SHARE].last.value.partial
            line.leg = None
            push("10:01:02", 2000.0, ("10:01:01", 100.0))
            assert not streaming.hub.topics[MINUTES, SHARE].last.value.partial
            streaming.switched([line], "gone")
            push("10:01:05", 2900.0, ("10:01:04", 100.0))
            assert streaming.hub.topics[MINUTES, SHARE].last.value.partial


async def test_a_bar_that_cannot_be_said_does_not_end_the_stream(monkeypatch):
    monkeypatch.setattr(livebars, "LOOK", 0.001)
    desk = Desk()
    calls = {"closed": 0, "replaced": 0}

    def closed(_now):
        calls["closed"] += 1
        raise KeyError("600519.SH")

    async def replaced():
        calls["replaced"] += 1
        raise KeyError("final")

    desk.bars.closed, desk.bars.replaced = closed, replaced
    running = asyncio.create_task(desk.bars.run())
    async with asyncio.timeout(5):
        while min(calls.values()) < 3:  # noqa: ASYNC110 - its own tasks count
            await asyncio.sleep(0.001)
    assert not running.done()
    running.cancel()
