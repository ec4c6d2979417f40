"""The dialect without a name: its messages, exactly, and nothing else unasked."""

import asyncio
from datetime import datetime

import pytest
from support.listening import QUIET, A, B

from argus_core import SHANGHAI, Trade

SEED = {"symbol", "price", "change", "change_pct", "volume", "timestamp"}
"""What the dialect's own description shows in ``data``."""
ADDED = {"source", "stale", "simulated"}


async def test_a_quote_is_told_as_the_description_shows_it(house):
    async with house.client(None) as client:
        first = await client.subscribe(A)
        assert set(first) == {"type", "data"}
        assert set(first["data"]) >= SEED | ADDED
        assert first["data"]["symbol"] == A
        await house.market.brings(A)
        quote = house.market.push(A, price=10.2, volume=77_000_000.0, turnover=7.8e8)
        data = (await client.hear("market_data"))["data"]
        assert (data["price"], data["volume"]) == (10.2, 77_000_000)
        assert isinstance(data["volume"], int)
        assert (data["change"], data["change_pct"]) == (pytest.approx(0.2), pytest.approx(2.0))
        told = datetime.fromisoformat(data["timestamp"])
        assert told.utcoffset() == SHANGHAI.utcoffset(told)
        assert abs(told - quote.as_of).total_seconds() < 0.001
        assert (data["source"], data["stale"], data["simulated"]) == ("pushing", False, False)


async def test_fields_are_honoured(house):
    async with house.client(None) as client:
        told = await client.subscribe(A, fields=["price", "volume", "change"])
        assert set(told["data"]) == {"symbol", "price", "volume", "change", "timestamp"} | ADDED


async def test_each_quote_is_a_message_of_its_own(house):
    async with house.listener(A, B, protocol=None) as client:
        house.market.push(A)
        house.market.push(B)
        told = [await client.hear(), await client.hear()]
        assert {one["data"]["symbol"] for one in told} == {A, B}
        assert all(one["type"] == "market_data" for one in told)


async def test_who_has_unsubscribed_hears_no_more(house):
    async with house.listener(A, B, protocol=None) as client:
        await client.say("unsubscribe", symbols=[A])
        assert await client.all_heard("there") == []
        house.market.push(A)
        house.market.push(B)
        told = await client.quiet()
        assert [one["data"]["symbol"] for one in told] == [B]


async def test_statistics_have_the_figures_of_the_description(house):
    async with house.listener(A, B, protocol=None) as client:
        await client.say("get_stats")
        told = (await client.hear("stats"))["data"]
        assert told.keys() >= {
            *("total_connections", "total_subscriptions", "messages_sent", "uptime_seconds")
        }
        assert (told["total_connections"], told["total_subscriptions"]) == (1, 2)
        assert told["uptime_seconds"] >= 0
        async with house.client(None) as other:
            await other.say("get_stats")
            more = (await other.hear("stats"))["data"]
        assert more["total_connections"] == 2
        assert more["messages_sent"] > told["messages_sent"]


async def test_a_ping_is_answered_with_the_time(house):
    async with house.client(None) as client:
        await client.send('{"action": "ping"}')
        told = await client.hear()
        assert told == {"type": "pong", "timestamp": "2024-03-15T10:00:00+08:00"}


async def test_nothing_comes_that_was_not_asked_for(house):
    """No greeting, no heartbeat, no status, no gap: this dialect has no words for these."""
    async with house.listener(A, protocol=None) as client:
        (connection,) = house.audience.connections
        connection.heartbeat()
        house.market.gap(A)
        house.audience.farewell(connection)
        assert await client.quiet() == []


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ("no json", "not JSON"),
        ("[1, 2]", "object"),
        ('{"action": "dance"}', "subscribe"),
        ("{}", "action"),
        ('{"action": "subscribe"}', "symbols"),
        ('{"action": "subscribe", "symbols": 5}', "symbols"),
        ('{"action": "subscribe", "symbols": ["600519.SH"], "fields": ["shoe"]}', "shoe"),
        ('{"action": "subscribe", "symbols": ["600519.SH"], "channel": "news"}', "channel"),
        ('{"action": "subscribe", "symbols": ["600519.SH"], "interval_ms": -1}', "interval_ms"),
        ('{"action": "subscribe", "symbols": ["600519.SH"], "since": 3}', "since"),
        (f'{{"action": "subscribe", "symbols": {"[" * 1000}{"]" * 1000}}}', "symbols"),
        (f'{{"action": {"[" * 1000}{"]" * 1000}}}', "action"),
        (f'{{"action": "{"x" * 60_000}"}}', "action"),
    ],
)
async def test_bad_input_gets_an_error_and_the_talk_goes_on(house, frame, words):
    async with house.client(None) as client:
        await client.send(frame)
        told = await client.hear()
        assert told["type"] == "error"
        assert told["code"] == "INVALID_PARAMETER"
        assert words in told["message"]
        assert len(told["message"]) < 400
        assert await client.all_heard("still here") == []


async def test_a_symbol_that_nobody_can_read_is_named_and_the_others_are_heard(house):
    async with house.client(None) as client:
        await client.say("subscribe", symbols=["no symbol", A])
        told = await client.hear("error")
        assert (told["code"], told["details"]) == ("INVALID_PARAMETER", {"symbol": "no symbol"})
        assert (await client.hear("market_data"))["data"]["symbol"] == A


async def test_the_answer_carries_the_id_of_the_question(house):
    async with house.client(None) as client:
        await client.send('{"action": "dance", "id": "x-1"}')
        assert (await client.hear("error"))["id"] == "x-1"
        await client.send('{"action": "ping", "id": 12}')
        assert (await client.hear("pong"))["id"] == 12


async def test_books_and_trades_are_told_with_the_same_message(house):
    async with house.client(None) as client:
        await client.say("subscribe", symbols=[A], channel="depth")
        told = (await client.hear("market_data"))["data"]
        assert told.keys() >= {"symbol", "basic", "orderbook", "trades"}
        await client.say("subscribe", symbols=[A], channel="trades")
        await house.market.brings(A)
        await client.all_heard("both")
        trade = Trade(price=10.1, volume=300.0, time=house.clock.now(), direction="buy")
        house.market.push(A, trades=(trade,))
        told = [(await client.hear("market_data"))["data"] for _ in range(2)]
        assert [one["price"] for one in told if "direction" in one] == [10.1]


async def test_an_old_value_is_told_again_once_nobody_brings_the_symbol(house):
    async with house.listener(A, protocol=None) as client:
        house.market.source.broken = True
        supplier = house.gateway.streaming.supplier
        supplier.rearrange([supplier.lines[A]], "the test says so")
        async with asyncio.timeout(10):
            told = await client.hear("market_data")
            while not told["data"]["stale"]:
                told = await client.hear("market_data")
        await asyncio.sleep(QUIET)
        assert told["data"]["symbol"] == A
