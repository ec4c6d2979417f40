"""A recorded day as a source: its own clock, its answers, what it pushes, what it refuses."""

from datetime import date, datetime, time, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import TestClock
from support.recordings import CARRIER, MOUTAI, PING_AN, book, quote, whole_day

from argus_core import (
    SHANGHAI,
    Depth,
    DepthQuery,
    Gap,
    InstrumentsQuery,
    Kind,
    Period,
    PluginError,
    QuotesQuery,
    SourceUnavailable,
    Symbol,
    TicksQuery,
    Trade,
)
from argus_core.market.normalise import normalise
from argus_core.market.ranges import bars_query, bounds
from argus_core.streaming.parts import Parts
from argus_core.streaming.rows import Heard, frame_of
from argus_core.streaming.topics import DEPTH, QUOTES, TRADES, Carrier, Update
from argus_replay import Replay
from argus_replay.virtual import PAUSE, VirtualClock

DAY = date(2024, 3, 15)
BOTH = (MOUTAI, PING_AN)


def instant(text, day="2024-03-15"):
    return datetime.fromisoformat(f"{day}T{text}").replace(tzinfo=SHANGHAI)


def update(channel, value, at, seq=1, symbol=MOUTAI, *, carrier=CARRIER):
    return Update(channel, symbol, seq, value, carrier, at)


def recorded(folder, *entries):
    parts = Parts(folder, began=entries[0].at, rotate_bytes=1 << 30)
    parts.write(frame_of(entries, "e1"))
    parts.close()
    return folder


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    return whole_day(tmp_path_factory.mktemp("day"))


@pytest.fixture
def clock():
    return TestClock("2026-11-20 22:00:00")


@pytest.fixture
async def play(clock):
    """A function that opens a source over a path."""
    opened = []

    async def play(path, **settings):
        source = Replay("past", Replay.Settings(path=path, **settings), clock)
        opened.append(source)
        await source.open()
        return source

    yield play
    for source in opened:
        await source.close()


class Pushed:
    """What a source pushed."""

    def __init__(self):
        self.items = []

    def __call__(self, item):
        self.items.append(item)

    @property
    def depths(self):
        return [item for item in self.items if isinstance(item, Depth)]

    @property
    def gaps(self):
        return [item for item in self.items if isinstance(item, Gap)]


class TestItsClock:
    @given(
        speed=st.floats(1, 1000),
        loop=st.booleans(),
        steps=st.lists(st.floats(0, 10_000), max_size=20),
    )
    def test_it_never_leaves_the_day_and_only_a_loop_takes_it_back(self, speed, loop, steps):
        real = TestClock()
        begin, end = instant("09:15:00"), instant("15:00:03")
        virtual = VirtualClock(real, begin, end, speed=speed, loop=loop)
        assert virtual.now() == begin
        virtual.start()
        before, lap = virtual.now(), 0
        for step in steps:
            real.advance(step)
            now = virtual.now()
            assert begin <= now <= end
            assert virtual.lap() >= lap
            assert now >= before or virtual.lap() > lap
            assert loop or virtual.lap() == 0
            before, lap = now, virtual.lap()

    def test_an_hour_at_ten_times_the_speed_takes_six_minutes(self):
        real = TestClock()
        virtual = VirtualClock(real, instant("09:30:00"), instant("15:00:00"), speed=10, loop=False)
        virtual.start()
        real.advance(360)
        assert virtual.now() == instant("10:30:00")
        assert virtual.seconds_until(instant("11:30:00")) == 360
        assert virtual.seconds_until(instant("10:00:00")) == 0

    def test_the_end_stands_for_a_moment_before_a_loop_begins_again(self):
        real = TestClock()
        virtual = VirtualClock(real, instant("14:59:00"), instant("15:00:00"), speed=1, loop=True)
        virtual.start()
        real.advance(61)
        assert (virtual.now(), virtual.lap()) == (instant("15:00:00"), 0)
        real.advance(PAUSE.total_seconds() - 1)
        assert (virtual.now(), virtual.lap()) == (instant("14:59:00"), 1)


class TestAnswers:
    async def test_it_says_what_it_plays(self, play, day):
        source = await play(day, speed=10)
        assert source.replaying == {"day": "2024-03-15", "speed": 10.0}
        assert source.simulated is False
        assert Replay.replaying is not None  # the class says that it plays at all
        report = source.report()
        assert (report["day"], report["laps"], report["symbols"]) == ("2024-03-15", 0, 2)

    async def test_a_quote_is_the_last_one_that_had_come(self, play, day, clock):
        source = await play(day, start=time(10, 0), speed=10)
        (first,) = await source.quotes(QuotesQuery(symbols=(MOUTAI,)))
        assert first.as_of == instant("09:59:54")  # that of 10:00:00 came 40 ms later
        clock.advance(6)
        (later,) = await source.quotes(QuotesQuery(symbols=(MOUTAI,)))
        assert later.as_of == instant("10:00:54")
        assert later.volume > first.volume
        assert later.name == "贵州茅台"

    async def test_before_the_first_update_nothing_is_known(self, play, day, clock):
        source = await play(day, start=time(9, 0))
        assert list(await source.quotes(QuotesQuery(symbols=BOTH))) == []
        assert list(await source.depth(DepthQuery(symbols=BOTH))) == []
        clock.advance(25 * 60 + 1)
        assert len(list(await source.quotes(QuotesQuery(symbols=BOTH)))) == 2

    async def test_a_book_has_the_last_trades_and_no_more_levels_than_asked(self, play, day):
        source = await play(day, start=time(10, 0))
        (full,) = await source.depth(DepthQuery(symbols=(MOUTAI,), levels=1))
        assert len(full.bids) == len(full.asks) == 1
        assert len(full.trades) == 20
        assert full.trades[-1].time == instant("09:59:54")
        assert full.trades == tuple(sorted(full.trades, key=lambda trade: trade.time))

    async def test_the_end_of_the_day_stands(self, play, day, clock):
        source = await play(day, start=time(14, 0), speed=1000)
        clock.advance(1e6)
        (last,) = await source.quotes(QuotesQuery(symbols=(MOUTAI,)))
        assert last.as_of == instant("15:05:00")

    async def test_minutes_add_up_to_the_day_so_far(self, play, day):
        source = await play(day, start=time(10, 15, 30))
        query = bars_query((MOUTAI,), Period.M1, DAY, DAY)
        reading = normalise(query, await source.bars(query), source, source.now())
        frame = reading.values[MOUTAI]
        (told,) = await source.quotes(QuotesQuery(symbols=(MOUTAI,)))
        assert frame["volume"].sum() == told.volume
        assert frame["turnover"].sum() == pytest.approx(told.turnover, rel=1e-12)
        assert frame["time"][0] == instant("09:31:00")
        assert frame["time"][-1] == instant("10:16:00")
        assert frame["final"].to_list() == [True] * 45 + [False]
        assert frame["close"][-1] == told.price

    async def test_the_whole_day_has_240_minutes_and_one_day(self, play, day):
        source = await play(day, start=time(15, 3))
        query = bars_query(BOTH, Period.M1, DAY, DAY)
        frames = normalise(query, await source.bars(query), source, source.now()).values
        assert [frames[symbol].height for symbol in BOTH] == [240, 240]
        query = bars_query(BOTH, Period.D1, DAY - timedelta(days=3), DAY)
        days = normalise(query, await source.bars(query), source, source.now()).values
        for symbol in BOTH:
            row, minutes = days[symbol].row(0, named=True), frames[symbol]
            assert row["date"] == DAY
            assert row["volume"] == minutes["volume"].sum()
            assert row["high"] == minutes["high"].max()
            assert row["low"] == minutes["low"].min()
            assert row["final"] is True

    async def test_of_other_days_it_has_nothing(self, play, day):
        source = await play(day)
        other = date(2024, 3, 14)
        assert list(await source.bars(bars_query(BOTH, Period.D1, other, other))) == []
        since, until = bounds(other, other, nightly=False)
        query = TicksQuery(symbols=BOTH, start=other, end=other, since=since, until=until)
        assert list(await source.ticks(query)) == []

    async def test_ticks_are_the_quotes_so_far(self, play, day):
        source = await play(day, start=time(9, 30, 30))
        since, until = bounds(DAY, DAY, nightly=False)
        query = TicksQuery(symbols=(MOUTAI,), start=DAY, end=DAY, since=since, until=until)
        frame = normalise(query, await source.ticks(query), source, source.now()).values[MOUTAI]
        assert frame["time"].to_list() == [
            instant(text) for text in ("09:25:00", *(f"09:30:{s:02}" for s in range(0, 30, 6)))
        ]
        assert frame["bid_volume1"].to_list() == [100.0] * 6
        assert frame["ask_price3"].null_count() == 6

    async def test_an_instrument_is_known_by_its_name(self, play, day):
        source = await play(day)
        found = await source.instruments(InstrumentsQuery(symbols=BOTH))
        assert [(one.symbol, one.name, one.kind) for one in found] == [
            (MOUTAI, "贵州茅台", Kind.STOCK),
            (PING_AN, None, Kind.STOCK),
        ]

    async def test_who_was_not_recorded_is_left_out(self, play, day):
        source = await play(day, start=time(10, 0))
        asked = (Symbol("600000.SH"), PING_AN)
        assert [one.symbol for one in await source.quotes(QuotesQuery(symbols=asked))] == [PING_AN]

    async def test_quotes_alone_make_no_books(self, play, tmp_path):
        at = instant("10:00:00")
        recorded(tmp_path, update(QUOTES, quote(at=at), at))
        source = await play(tmp_path)
        assert "depth" not in source.datasets

    async def test_what_was_invented_stays_so(self, play, tmp_path):
        at = instant("10:00:00")
        demo = Carrier("demo", "poll", simulated=True)
        recorded(tmp_path, update(QUOTES, quote(at=at), at, carrier=demo))
        assert (await play(tmp_path)).simulated is True

    async def test_a_closed_one_answers_nothing(self, play, day):
        source = await play(day)
        await source.close()
        with pytest.raises(SourceUnavailable):
            await source.ping()
        with pytest.raises(SourceUnavailable):
            await source.quotes(QuotesQuery(symbols=BOTH))


class TestPushes:
    async def test_the_present_state_comes_at_once_and_the_rest_when_it_is_due(
        self, play, day, clock
    ):
        source, heard = await play(day, start=time(10, 0), speed=10), Pushed()
        await source.subscribe((MOUTAI,), heard)
        assert [one.quote.as_of for one in heard.depths] == [instant("09:59:54")]
        assert heard.depths[0].trades is None  # they came before
        clock.advance(1.2)
        source._player.play()
        assert [one.quote.as_of for one in heard.depths[1:]] == [
            instant("10:00:00"),
            instant("10:00:06"),
        ]
        assert [len(one.trades) for one in heard.depths[1:]] == [1, 1]

    async def test_symbols_come_in_the_order_of_their_instants(self, play, tmp_path, clock):
        entries = [
            update(DEPTH, book(quote(symbol, instant(at))), instant(at), symbol=symbol)
            for symbol, at in [
                (MOUTAI, "10:00:00"),
                (PING_AN, "10:00:01"),
                (PING_AN, "10:00:02"),
                (MOUTAI, "10:00:02"),
                (MOUTAI, "10:00:05"),
            ]
        ]
        source, heard = await play(recorded(tmp_path, *entries)), Pushed()
        await source.subscribe(BOTH, heard)
        clock.advance(60)
        source._player.play()
        assert [one.quote.as_of for one in heard.depths] == sorted(e.at for e in entries)

    async def test_only_what_was_asked_and_not_after_the_end(self, play, day, clock):
        source, heard = await play(day, start=time(10, 0)), Pushed()
        await source.subscribe((MOUTAI,), heard)
        clock.advance(60)
        source._player.play()
        assert {one.symbol for one in heard.depths} == {MOUTAI}
        await source.unsubscribe(BOTH)
        many = len(heard.items)
        clock.advance(60)
        source._player.play()
        assert len(heard.items) == many

    async def test_who_comes_back_hears_from_then_on(self, play, day, clock):
        source, heard = await play(day, start=time(10, 0)), Pushed()
        await source.subscribe((MOUTAI,), heard)
        await source.unsubscribe((MOUTAI,))
        clock.advance(60)
        await source.subscribe((MOUTAI,), heard)
        clock.advance(6)
        source._player.play()
        told = [one.quote.as_of for one in heard.depths]
        assert told == [instant("09:59:54"), instant("10:00:54"), instant("10:01:00")]

    async def test_a_listener_that_fails_hears_the_next(self, play, day, clock, caplog):
        source, calls = await play(day, start=time(10, 0)), []

        def awkward(item):
            calls.append(item)
            raise ValueError("no")

        await source.subscribe((MOUTAI,), awkward)
        clock.advance(12.1)
        source._player.play()
        assert len(calls) == 4
        assert "failed to take what is played" in caplog.text

    async def test_a_recorded_gap_is_told_again(self, play, tmp_path, clock):
        at = instant("10:00:00")
        since = at - timedelta(seconds=9)
        told = {"reason": "the link broke", "since": since.isoformat()}
        recorded(
            tmp_path,
            update(QUOTES, quote(at=at), at),
            Heard("gap", MOUTAI, at + timedelta(seconds=1), told),
            Heard("gap", MOUTAI, at + timedelta(seconds=2), {"reason": "the disk"}, lost=7),
            Heard("status", MOUTAI, at + timedelta(seconds=3), {"state": "live"}),
        )
        source, heard = await play(tmp_path), Pushed()
        await source.subscribe((MOUTAI,), heard)
        clock.advance(10)
        source._player.play()
        assert heard.gaps == [
            Gap(symbols=(MOUTAI,), reason="the link broke", since=since),
            Gap(symbols=(MOUTAI,), reason="the disk: 7 updates were not recorded"),
        ]

    async def test_a_symbol_that_was_not_recorded_is_a_gap(self, play, day):
        source, heard = await play(day), Pushed()
        await source.subscribe((Symbol("600000.SH"),), heard)
        assert heard.gaps == [
            Gap(symbols=(Symbol("600000.SH"),), reason="the recording does not hold it")
        ]

    async def test_a_loop_tells_a_gap_and_begins_again(self, play, tmp_path, clock):
        first, last = instant("10:00:00"), instant("10:00:10")
        recorded(
            tmp_path,
            *(update(DEPTH, book(quote(at=at)), at, seq) for seq, at in enumerate((first, last))),
        )
        source, heard = await play(tmp_path, loop=True), Pushed()
        await source.subscribe((MOUTAI,), heard)
        clock.advance(13.5)  # over the end and its pause, at one look
        source._player.play()
        source._player.play()
        told = [i.quote.as_of if isinstance(i, Depth) else i.reason for i in heard.items]
        assert told == [first, last, "the recorded day begins again", first]
        assert source.report()["laps"] == 1

    async def test_who_comes_in_a_later_lap_hears_nothing_of_what_is_still_to_come(
        self, play, tmp_path, clock
    ):
        times = [instant(f"10:00:{second:02}") for second in (0, 10, 20)]
        recorded(
            tmp_path,
            *(update(DEPTH, book(quote(at=at)), at, seq) for seq, at in enumerate(times)),
        )
        source, early, late = await play(tmp_path, loop=True), Pushed(), Pushed()
        clock.advance(23 * 2 + 5)  # 10:00:05 of the third lap
        await source.subscribe((MOUTAI,), early)
        source._player.play()
        assert [one.quote.as_of for one in early.depths] == times[:1]
        clock.advance(23)  # the next lap has begun, and its player has not looked yet
        await source.subscribe((PING_AN,), late)
        await source.subscribe((MOUTAI,), late)
        source._player.play()
        assert [one.quote.as_of for one in late.depths] == times[:1]
        assert early.gaps[-1].reason == "the recorded day begins again"

    async def test_it_plays_by_itself(self, play, day, clock):
        import asyncio

        source, heard = await play(day, start=time(10, 0), speed=1000), Pushed()
        await source.subscribe((MOUTAI,), heard)
        clock.advance(1)
        async with asyncio.timeout(5):
            while len(heard.depths) < 100:  # noqa: ASYNC110 - its own task plays
                await asyncio.sleep(0.01)


class TestFiles:
    def test_nothing_there(self, tmp_path, clock):
        with pytest.raises(PluginError, match="there is no") as caught:
            Replay("past", Replay.Settings(path=tmp_path / "no"), clock)
        assert caught.value.where == "[sources.past] path"

    def test_an_empty_directory(self, tmp_path, clock):
        with pytest.raises(PluginError, match="holds no part of a recording") as caught:
            Replay("past", Replay.Settings(path=tmp_path), clock)
        assert caught.value.where == "[sources.past] path"

    def test_what_is_no_parquet(self, tmp_path, clock):
        path = tmp_path / "ticks.parquet"
        path.write_text("symbol,time")
        with pytest.raises(PluginError, match="cannot be read") as caught:
            Replay("past", Replay.Settings(path=path), clock)
        assert "argus record" in caught.value.fix

    def test_a_file_without_the_columns(self, tmp_path, clock):
        path = tmp_path / "ticks.parquet"
        pl.DataFrame({"symbol": ["600519.SH"], "time": [instant("10:00:00")]}).write_parquet(path)
        with pytest.raises(PluginError, match="lacks the columns price, volume"):
            Replay("past", Replay.Settings(path=path), clock)

    def test_several_days_need_a_choice(self, tmp_path, clock):
        days = [instant("10:00:00", day) for day in ("2024-03-14", "2024-03-15")]
        recorded(tmp_path, *(update(QUOTES, quote(at=at), at) for at in days))
        with pytest.raises(PluginError, match="which day") as caught:
            Replay("past", Replay.Settings(path=tmp_path), clock)
        assert caught.value.fix == "name one of the recorded days: 2024-03-14, 2024-03-15"
        with pytest.raises(PluginError, match="holds no 2024-03-13"):
            Replay("past", Replay.Settings(path=tmp_path, day=date(2024, 3, 13)), clock)
        chosen = Replay("past", Replay.Settings(path=tmp_path, day=DAY), clock)
        assert chosen.replaying["day"] == "2024-03-15"

    def test_a_start_after_the_end(self, day, clock):
        with pytest.raises(PluginError, match="lies after the last update"):
            Replay("past", Replay.Settings(path=day, start=time(23, 0)), clock)

    def test_the_recording_of_a_replay_is_no_day_of_its_own(self, tmp_path, clock):
        at = instant("10:00:00")
        old = Carrier("past", "push", replay={"day": "2023-02-01", "speed": 10})
        recorded(tmp_path, update(QUOTES, quote(at=at), at, carrier=old))
        with pytest.raises(PluginError, match="while 2023-02-01 was replayed"):
            Replay("past", Replay.Settings(path=tmp_path), clock)

    def test_trades_of_a_recording_are_in_it(self, day):
        with pytest.raises(ValueError, match="leave `trades` out"):
            Replay.Settings(path=day, trades=day)

    @pytest.mark.parametrize("speed", [0.5, 1001, float("nan")])
    def test_a_speed_has_its_bounds(self, day, speed):
        with pytest.raises(ValueError, match="speed"):
            Replay.Settings(path=day, speed=speed)

    async def test_trades_fall_in_the_first_book_that_is_not_older(self, play, tmp_path, clock):
        books, trades = tmp_path / "ticks.parquet", tmp_path / "trades.parquet"
        at = [instant(f"10:00:{second:02}") for second in (0, 3, 3, 6)]
        pl.DataFrame(
            {
                "symbol": ["sh600519"] * 4,  # any usual spelling
                "time": [one.replace(tzinfo=None) for one in at],
                "last": [10.0, 10.1, 10.1, 10.2],
                "volume_share": [0, 100, 200, 300],
            }
        ).write_parquet(books)
        times = ["10:00:02.5", "10:00:03", "10:00:04", "10:00:09"]
        pl.DataFrame(
            {
                "symbol": ["600519.SH"] * 4,
                "time": [instant(text) for text in times],
                "price": [10.0, 10.1, 10.1, 10.2],
                "volume": [100, 100, 100, 100],
            }
        ).write_parquet(trades)
        source, heard = await play(books, trades=trades), Pushed()
        await source.subscribe((MOUTAI,), heard)
        clock.advance(60)
        source._player.play()
        told = [(one.quote.volume, [t.time for t in one.trades or ()]) for one in heard.depths]
        first, second, third, late = (instant(text) for text in times)
        pair = [vol for vol, found in told if found == [first, second]]
        assert len(pair) == 1  # of two books of one instant, one has them
        assert pair[0] in (100.0, 200.0)
        assert (300.0, [third]) in told
        assert told[-1] == (300.0, [late])
        assert sum(len(found) for _, found in told) == 4

    async def test_a_night_belongs_to_the_day_that_follows(self, play, tmp_path, clock):
        rebar = Symbol("rb2410.SHFE")
        night, noon = instant("21:00:03", "2024-03-14"), instant("10:00:00")
        recorded(
            tmp_path,
            *(
                update(QUOTES, quote(rebar, at, volume=v), at, seq, rebar)
                for seq, (at, v) in enumerate(((night, 100.0), (noon, 300.0)))
            ),
        )
        source = await play(tmp_path, start=time(21, 0))
        assert source.now() == instant("21:00:00", "2024-03-14")
        clock.advance(86400)
        query = bars_query((rebar,), Period.M1, DAY, DAY)
        frame = normalise(query, await source.bars(query), source, source.now()).values[rebar]
        assert frame["time"].to_list() == [instant("21:01:00", "2024-03-14"), noon]
        assert frame["date"].to_list() == [DAY, DAY]
        assert frame["volume"].to_list() == [100.0, 200.0]

    async def test_trades_alone_come_with_the_last_book(self, play, tmp_path, clock):
        at = instant("10:00:00")
        trade = Trade(price=1800.0, volume=100.0, time=at)
        recorded(
            tmp_path,
            update(DEPTH, book(quote(at=at)), at),
            update(TRADES, trade, at + timedelta(seconds=1)),
        )
        source, heard = await play(tmp_path), Pushed()
        await source.subscribe((MOUTAI,), heard)
        clock.advance(60)
        source._player.play()
        one, two = heard.depths
        assert (one.trades, two.trades) == (None, (trade,))
        assert (one.quote, one.bids) == (two.quote, two.bids)
