"""``argus.v2``: acknowledgements, snapshots, updates, and a word for whatever happens."""

import asyncio
from datetime import timedelta

import pytest
from support.listening import PACKED, V2, A, B, C, items, trades

# -- subscriptions ----------------------------------------------------------------------------


async def test_the_first_message_tells_the_terms(house):
    async with house.client() as client:
        told = await client.hear()
        table = house.gateway.config.stream
        assert told["type"] == "hello"
        assert told["epoch"] == house.gateway.streaming.hub.epoch
        assert told["limits"]["symbols"] == table.max_symbols
        assert told["limits"]["messages_per_minute"] == table.max_messages


async def test_acknowledged_then_the_snapshot_then_what_is_new(house):
    async with house.client() as client:
        await client.hear("hello")
        await client.say("subscribe", symbols=[A, B], id=7)
        told, snapshot = await client.hear(), await client.hear()
        assert (told["type"], told["id"], told["channel"]) == ("subscribed", 7, "quotes")
        assert (told["symbols"], told["accepted"], told["rejected"]) == ([A, B], [A, B], [])
        assert snapshot["type"] == "snapshot"
        assert {item["symbol"] for item in snapshot["data"]} == {A, B}
        await house.market.brings(A)
        house.market.push(A)
        (item,) = (await client.hear("update"))["data"]
        before = {item["symbol"]: item["seq"] for item in snapshot["data"]}
        assert (item["symbol"], item["seq"]) == (A, before[A] + 1)


async def test_what_cannot_be_heard_is_rejected_with_the_reason_and_the_rest_is_heard(serve):
    async with serve(sources={"pushing": {"lacks": [C]}}) as house, house.client() as client:
        told = await client.subscribe(A, C, "no symbol")
        assert told["accepted"] == [A]
        rejected = {one["symbol"]: one["code"] for one in told["rejected"]}
        assert rejected == {C: "NOT_FOUND", "no symbol": "INVALID_PARAMETER"}
        assert all(one["message"] for one in told["rejected"])


async def test_the_acknowledgement_lists_everything_that_is_heard(house):
    async with house.client() as client:
        await client.subscribe(A)
        assert (await client.subscribe(B))["symbols"] == [A, B]
        assert (await client.subscribe(C, channel="depth"))["symbols"] == [C]
        assert (await client.subscribe(B))["symbols"] == [A, B]
        await client.say("list", id="l")
        told = await client.hear("subscriptions")
        assert told["data"] == {"quotes": [A, B], "depth": [C]}
        assert told["id"] == "l"


async def test_the_mode_says_whether_it_is_pushed(house):
    async with house.listener(A), house.client() as client:
        assert (await client.subscribe(A))["modes"] == {A: "push"}


@pytest.mark.parametrize(
    ("asked", "stopped", "remaining"),
    [
        ({"symbols": [A]}, {"quotes": [A], "depth": [A]}, {"quotes": [B]}),
        ({"symbols": A}, {"quotes": [A], "depth": [A]}, {"quotes": [B]}),
        ({"symbols": [A], "channel": "depth"}, {"depth": [A]}, {"quotes": [A, B]}),
        ({"channel": "quotes"}, {"quotes": [A, B]}, {"depth": [A]}),
        ({"symbols": [C]}, {}, {"quotes": [A, B], "depth": [A]}),
        ({}, {"quotes": [A, B], "depth": [A]}, {}),
    ],
)
async def test_unsubscribing(house, asked, stopped, remaining):
    async with house.listener(A, B) as client:
        await client.subscribe(A, channel="depth")
        await client.say("unsubscribe", **asked)
        told = await client.hear("unsubscribed")
        assert (told["stopped"], told["remaining"]) == (stopped, remaining)
        house.market.push(A)
        house.market.push(B)
        heard = {
            (message["channel"], item["symbol"])
            for message in await client.quiet()
            for item in message["data"]
        }
        assert heard == {(c, symbol) for c, symbols in remaining.items() for symbol in symbols}


async def test_with_all_sources_away_a_subscription_is_refused_and_may_be_tried_again(house):
    async with house.client() as client:
        house.market.source.broken = True
        told = await client.subscribe(A, id=1)
        assert (told["type"], told["code"], told["id"]) == ("error", "SERVICE_UNAVAILABLE", 1)
        house.market.source.broken = False
        house.clock.advance(60)
        assert (await client.subscribe(A))["accepted"] == [A]


# -- updates ----------------------------------------------------------------------------------


async def test_what_is_new_at_once_comes_in_one_message(house):
    async with house.listener(A, B, C) as client:
        for symbol in (A, B, C):
            house.market.push(symbol)
        told = await client.hear("update")
        assert [item["symbol"] for item in told["data"]] == [A, B, C]


async def test_fields_are_projected_the_labels_stay(house):
    async with house.listener(A, fields=["price", "volume"]) as client:
        house.market.push(A)
        (item,) = (await client.hear("update"))["data"]
        assert set(item) == {"symbol", "timestamp", "price", "volume", "seq", "source"}


async def test_listening_again_with_other_fields_replaces_the_ones_before(house):
    async with house.listener(A, fields=["price"]) as client:
        await client.subscribe(A, fields=["volume"])
        (item,) = (await client.hear("snapshot"))["data"]
        assert "price" not in item
        house.market.push(A)
        (message,) = await client.quiet()
        (item,) = message["data"]
        assert "volume" in item
        assert "price" not in item


async def test_a_book_has_its_groups(house):
    async with house.listener(A, channel="depth") as client:
        house.market.push(A)
        (item,) = (await client.hear("update"))["data"]
        assert item["orderbook"]["bids"][0] == {"price": 9.99, "volume": 300}
        await client.subscribe(A, channel="depth", fields=["orderbook"])
        (item,) = (await client.hear("snapshot"))["data"]
        assert set(item) == {"symbol", "orderbook", "seq", "source"}


async def test_an_interval_lets_the_newest_value_wait_and_counts_the_others(house):
    async with house.listener(A, interval_ms=300) as client:
        for _ in range(2):  # the first may go at once, for nothing went before
            last = [house.market.push(A).volume for _ in range(5)][-1]
            told = await client.hear("update")
            (item,) = told["data"]
            assert item["volume"] == last
            assert told["conflated"] == {A: 4}


async def test_trades_come_each_in_order(house):
    async with house.listener(A, channel="trades") as client:
        house.market.push(A, trades=trades(house, 10.1, 10.2, 10.3))
        house.market.push(A, trades=trades(house, 10.4))
        told = items(await client.hear("update"))
        while len(told) < 4:
            told += items(await client.hear("update"))
        assert [item["price"] for item in told] == [10.1, 10.2, 10.3, 10.4]
        assert [item["direction"] for item in told] == ["buy"] * 4
        numbers = [item["seq"] for item in told]
        assert numbers == list(range(numbers[0], numbers[0] + 4))


async def test_trades_beyond_the_room_are_counted(house):
    async with house.listener(A, channel="trades", interval_ms=300) as client:
        house.market.push(A, trades=trades(house, 10.0))
        first = (await client.hear("update"))["data"][0]["seq"]
        for _ in range(3):
            house.market.push(A, trades=trades(house, *[10.1] * 100))
        told = await client.hear("update")
        lost = told["lost"][A]
        assert lost == 300 - len(told["data"]) > 0
        assert told["data"][0]["seq"] == first + 1 + lost
        assert told["data"][-1]["seq"] == first + 300


async def test_bars_grow_and_say_what_they_are_made_of(house):
    async with house.listener(A, channel="bars.1m") as client:
        at = house.clock.now() - timedelta(seconds=50)
        house.market.push(A, as_of=at)
        house.market.push(A, as_of=at + timedelta(seconds=1))
        (item,) = (await client.hear("update"))["data"]
        assert (item["symbol"], item["built_from"], item["final"]) == (A, "snapshots", False)
        assert item["time"] == "2024-03-15T10:00:00+08:00"
        house.clock.advance(30)
        house.market.push(A, as_of=at + timedelta(seconds=70))
        told = items(await client.hear("update"))
        while not any(one["final"] for one in told):
            told += items(await client.hear("update"))
        (final,) = (one for one in told if one["final"])
        assert final["time"] == item["time"]
        assert final["seq"] > item["seq"]


@pytest.mark.parametrize("protocol", [V2, PACKED])
async def test_very_many_symbols_come_in_several_messages(house, protocol):
    many = [f"{600000 + number}.SH" for number in range(900)]
    async with house.client(protocol) as client:
        assert (await client.subscribe(*many))["accepted"] == many
        first, second = await client.hear("snapshot"), await client.hear("snapshot")
        assert [item["symbol"] for item in items(first, second)] == many
        await house.market.brings(*many)
        for symbol in many:
            house.market.push(symbol)
        told = items(await client.hear("update"))
        while len(told) < len(many):
            told += items(await client.hear("update"))
        assert [item["symbol"] for item in told] == many


# -- both forms -------------------------------------------------------------------------------


async def test_messagepack_says_what_json_says(house):
    async with house.listener(A, B) as plain, house.listener(A, B, protocol=PACKED) as packed:
        for client in (plain, packed):
            for channel in ("depth", "trades", "bars.1m"):
                await client.subscribe(A, channel=channel, id=channel)
            await client.all_heard()
            client.heard.clear()
        house.market.push(A, trades=trades(house, 10.1, 10.2))
        house.market.push(B)
        house.market.gap(A, B)
        for client in (plain, packed):
            await client.say("subscribe", symbols=["no symbol"])
            await client.say("list")
            await client.quiet()
        one, other = (sorted(map(repr, client.heard)) for client in (plain, packed))
        assert one == other
        assert {told["type"] for told in packed.heard} >= {"update", "gap", "subscribed"}


async def test_text_where_messagepack_is_spoken_is_an_error(house):
    async with house.client(PACKED) as client:
        await client.hear("hello")
        await client.send('{"action": "ping"}')
        told = await client.hear()
        assert (told["type"], told["code"]) == ("error", "INVALID_PARAMETER")
        await client.send(b"\xc1")
        assert "MessagePack" in (await client.hear("error"))["message"]
        assert await client.all_heard("still here") == []


async def test_the_first_known_subprotocol_is_taken(house):
    from websockets.asyncio.client import connect

    async def agreed(*offered):
        address = f"ws://{house.address}/ws/market_data"
        async with connect(address, subprotocols=list(offered), proxy=None) as socket:
            return socket.subprotocol

    assert await agreed("argus.v3", V2) == V2
    assert await agreed(PACKED, V2) == PACKED
    assert await agreed("argus.v3") is None


# -- what happens -----------------------------------------------------------------------------


async def test_a_gap_is_told_to_whom_it_concerns(house):
    async with house.listener(A) as client, house.listener(B) as other:
        house.market.gap(A, C, reason="the line was cut")
        told = await client.hear("gap")
        assert (told["symbols"], told["reason"], told["since"]) == ([A], "the line was cut", None)
        assert await other.quiet() == []


async def test_a_switch_of_sources_is_told_before_the_new_value(serve):
    routes = {"default": ["first", "second"]}
    async with serve(sources=("first", "second"), routes=routes) as house:
        first, second = house.markets["first"], house.markets["second"]
        async with house.client() as client:
            await client.subscribe(A)
            await first.brings(A)
            first.push(A)
            await client.hear("update")
            first.source.broken = True
            supplier = house.gateway.streaming.supplier
            supplier.rearrange([supplier.lines[A]], "the test says so")
            await second.brings(A)
            second.push(A)
            told = await client.hear("status", source="second")
            assert (told["state"], told["previous"]) == ("live", "first")
            assert (told["symbols"], told["mode"]) == ([A], "push")
            before = [item["source"] for m in client.heard if "data" in m for item in m["data"]]
            assert set(before) == {"first"}
            (item,) = (await client.hear("update"))["data"]
            assert item["source"] == "second"


async def test_nobody_left_is_told_and_the_value_flagged(house):
    async with house.listener(A) as client:
        house.market.source.broken = True
        supplier = house.gateway.streaming.supplier
        supplier.rearrange([supplier.lines[A]], "the test says so")
        status = await client.hear("status", state="stale")
        assert status["symbols"] == [A]
        (item,) = (await client.hear("update"))["data"]
        assert item["stale"] is True


async def test_silence_is_told(house):
    async with house.client() as client:
        (connection,) = house.audience.connections
        await client.all_heard()
        now = asyncio.get_running_loop().time()
        connection.looked_at(now, 15.0)
        connection.looked_at(now + 14.0, 15.0)
        assert await client.quiet() == []
        connection.looked_at(now + 16.0, 15.0)
        connection.looked_at(now + 32.0, 15.0)
        told = await client.hear()
        assert told == {"type": "heartbeat", "time": "2024-03-15T10:00:00+08:00"}


async def test_the_end_of_the_server_is_told_before_it_closes(house):
    async with house.listener(A) as client, house.client(None) as plain:
        house.server.drain()
        code, _ = await client.closed()
        assert code == 1012
        told = client.heard[-1]
        assert told["type"] == "shutdown"
        assert 0 <= told["reconnect_after_ms"] <= 5000
        assert (await plain.closed())[0] == 1012
        assert plain.heard == []
