"""The numbers of ``argus.v2``: they prove that nothing was missed, and let clients go on."""

import asyncio
import random

import pytest
from support.listening import A, B, C, items, trades


class Proof:
    """The rule by which a client proves that it missed nothing."""

    def __init__(self):
        self.seq = {}
        self.announced = {}
        self.messages = 0

    def begin(self, told):
        """Take the numbers of a subscription."""
        for symbol, seq in told["seq"].items():
            self.seq.setdefault((told["channel"], symbol), seq)

    def take(self, told):
        """Check a snapshot or an update."""
        channel = told["channel"]
        for counts in (told.get("conflated", {}), told.get("lost", {})):
            for symbol, count in counts.items():
                key = channel, symbol
                self.announced[key] = self.announced.get(key, 0) + count
        for item in told["data"]:
            key = channel, item["symbol"]
            more = self.announced.pop(key, 0)
            if told["type"] == "update":
                missing = item["seq"] - self.seq[key] - 1
                if channel.startswith("bars."):
                    assert 0 <= missing <= more, (key, told)
                    self.announced[key] = more - missing
                else:
                    assert missing == more, (key, told)
            self.seq[key] = item["seq"]
            self.messages += 1


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_pushed_and_asked_the_numbers_prove_that_nothing_is_missed(house, seed):
    chance = random.Random(seed)
    symbols = [A, B, C]
    async with house.client() as client:
        await client.subscribe(*symbols)
        await house.market.brings(*symbols)
        await client.subscribe(*symbols, channel="trades")
        await client.subscribe(*symbols, channel="depth", interval_ms=40)
        await client.subscribe(*symbols, channel="bars.1m", interval_ms=40)
        for _ in range(60):
            symbol = chance.choice(symbols)
            deal = trades(house, *[10.1] * chance.randrange(4)) or None
            house.market.push(symbol, trades=deal)
            turn = chance.random()
            if turn < 0.3:
                await asyncio.sleep(chance.choice([0, 0.005, 0.03]))
            elif turn < 0.4:
                house.clock.advance(30)
            elif turn < 0.5:
                await client.subscribe(symbol, interval_ms=chance.choice([0, 0, 20, 60]))
        await client.quiet()
        proof = Proof()
        for told in client.heard:
            if told["type"] == "subscribed":
                proof.begin(told)
            elif told["type"] in ("snapshot", "update"):
                proof.take(told)
        assert proof.messages > 30
        topics = house.gateway.streaming.hub.topics
        assert not any(proof.announced.values())
        assert any(channel == "bars.1m" for channel, _ in proof.seq)
        for (channel, symbol), seq in proof.seq.items():
            assert topics[channel, symbol].seq == seq


# -- going on ---------------------------------------------------------------------------------


async def left_at(house, client, symbol, channel="quotes"):
    """What a client would hand in to go on from here."""
    seq = [
        item["seq"]
        for told in client.heard
        if told.get("channel") == channel and told["type"] in ("snapshot", "update")
        for item in told["data"]
        if item["symbol"] == symbol
    ][-1]
    return {"epoch": house.gateway.streaming.hub.epoch, "seq": {symbol: seq}}


async def test_going_on_where_nothing_happened_brings_nothing(house):
    async with house.listener(A) as client:
        house.market.push(A)
        await client.hear("update")
        since = await left_at(house, client, A)
    async with house.client() as client:
        told = await client.subscribe(A, since=since)
        assert told["missed"] == {A: 0}
        assert await client.quiet() == []
        house.market.push(A)
        (item,) = (await client.hear("update"))["data"]
        assert item["seq"] == since["seq"][A] + 1


async def test_going_on_after_a_pause_brings_a_snapshot_and_says_how_much_was_missed(house):
    async with house.listener(A) as client:
        house.market.push(A)
        await client.hear("update")
        since = await left_at(house, client, A)
        last = [house.market.push(A).volume for _ in range(5)][-1]
        await client.all_heard()
    async with house.client() as client:
        told = await client.subscribe(A, since=since)
        assert told["missed"] == {A: 4}, "the fifth comes as the snapshot"
        (item,) = (await client.hear("snapshot"))["data"]
        assert (item["seq"], item["volume"]) == (since["seq"][A] + 5, last)


async def test_trades_after_a_pause_are_brought_as_long_as_they_are_known(house):
    async with house.listener(A, channel="trades") as client:
        house.market.push(A, trades=trades(house, 10.1))
        await client.hear("update")
        since = await left_at(house, client, A, "trades")
    async with house.listener(A, channel="trades"):
        house.market.push(A, trades=trades(house, 10.2, 10.3))
        await asyncio.sleep(0.05)
        async with house.client() as client:
            told = await client.subscribe(A, channel="trades", since=since)
            assert told["missed"] == {A: 0}
            assert [one["price"] for one in items(await client.hear("update"))] == [10.2, 10.3]


@pytest.mark.parametrize("since", [{"epoch": "another"}, {"seq": {A: 1 << 40}}])
async def test_numbers_of_another_life_are_not_believed(house, since):
    async with house.listener(A):
        pass
    async with house.client() as client:
        epoch = house.gateway.streaming.hub.epoch
        told = await client.subscribe(A, since={"epoch": epoch, "seq": {A: 1}, **since})
        assert told["missed"] == {A: None}
        assert (await client.hear("snapshot"))["data"][0]["symbol"] == A


@pytest.mark.parametrize(
    "since",
    [5, {}, {"epoch": "x"}, {"epoch": "x", "seq": {A: -1}}, {"epoch": "x", "seq": {A: 1.5}}],
)
async def test_numbers_that_are_none_are_refused(house, since):
    async with house.client() as client:
        await client.hear("hello")
        frame = {"action": "subscribe", "symbols": [A], "since": since}
        await client.send(repr(frame).replace("'", '"'))
        told = await client.hear()
        assert (told["type"], told["details"]["parameter"]) == ("error", "since")
