"""The clients that the documentation shows: they come back, go on, and notice what is missing."""

import asyncio
import contextlib
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.listening import A, B
from support.waiting import until
from websockets.exceptions import InvalidStatus

CLIENTS = Path(__file__).resolve().parents[4] / "docs" / "use" / "clients"


@pytest.fixture
def listen(monkeypatch):
    """The module ``listen``, in a hurry."""
    spec = importlib.util.spec_from_file_location("listen", CLIENTS / "listen.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.02)
    return module


class Told:
    """What a client told whoever uses it."""

    def __init__(self):
        self.items = []
        self.notes = []
        self._news = asyncio.Event()

    def item(self, item, snapshot):
        self.items.append((item["symbol"], item["seq"], snapshot))
        self._news.set()

    def note(self, note):
        self.notes.append(note)
        self._news.set()

    async def until(self, done):
        """Return when that is so."""
        async with asyncio.timeout(10):
            while not done():
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def running(listen, house, *symbols, **more):
    """A listener that runs, and what it tells."""
    told = Told()
    url = f"ws://{house.address}/ws/market_data"
    terms = {"on_item": told.item, "on_note": told.note, **more}
    listener = listen.Listener(url, list(symbols), **terms)
    task = asyncio.create_task(listener.run())
    try:
        yield listener, told
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_it_hears_a_snapshot_and_then_what_is_new(house, listen):
    async with running(listen, house, A, B) as (_, told):
        await told.until(lambda: len(told.items) == 2)
        await house.market.brings(A, B)
        for _ in range(3):
            house.market.push(A)
        await told.until(lambda: len(told.items) > 2)
        assert told.items[:2] == [(A, 1, True), (B, 1, True)]
        assert told.items[-1] == (A, 4, False)
        assert told.notes == []


async def test_after_a_broken_connection_it_goes_on_and_says_what_was_missed(house, listen):
    async with running(listen, house, A) as (listener, told):
        await told.until(lambda: told.items)
        await house.market.brings(A)
        house.market.push(A)
        await told.until(lambda: listener.seq == {A: 2})
        (connection,) = house.audience.connections
        connection.wire.transport.abort()
        for _ in range(3):
            house.market.push(A)
        await told.until(lambda: listener.seq == {A: 5})
        assert told.items[-1] == (A, 5, True)
        assert any("2 updates missed" in note for note in told.notes)
        house.market.push(A)
        await told.until(lambda: told.items[-1] == (A, 6, False))
        assert not any("announced" in note for note in told.notes)


async def test_where_nothing_was_missed_nothing_is_told(house, listen):
    async with running(listen, house, A) as (_, told):
        await told.until(lambda: told.items)
        (connection,) = house.audience.connections
        connection.wire.transport.abort()
        await told.until(lambda: told.notes)
        await told.until(lambda: connection not in house.audience.connections)
        await until(lambda: house.gateway.streaming.hub.subscriptions)
        house.market.push(A)
        await told.until(lambda: told.items[-1] == (A, 2, False))
        assert len(told.items) == 2
        assert len(told.notes) == 1


async def test_trades_that_were_missed_are_brought(house, listen):
    from argus_core import Trade

    def deal():
        at = house.clock.now()
        return (Trade(price=10.0, volume=100.0, direction="buy", time=at),)

    async with (
        house.listener(A, channel="trades"),
        running(listen, house, A, channel="trades") as (listener, told),
    ):
        await until(lambda: house.gateway.streaming.hub.subscriptions == 2)
        house.market.push(A, trades=deal())
        await told.until(lambda: told.items)
        first = listener.seq[A]
        ours = list(house.audience.connections)[-1]
        ours.wire.transport.abort()
        for _ in range(3):
            house.market.push(A, trades=deal())
        await told.until(lambda: listener.seq[A] == first + 3)
        assert [seq for _, seq, _ in told.items] == list(range(first, first + 4))
        assert not any("announced" in note for note in told.notes)


async def test_a_hole_in_the_numbers_is_noticed(listen):
    told = Told()
    listener = listen.Listener("", [A], on_item=told.item, on_note=told.note)

    def take(kind, seq, **more):
        item = {"symbol": A, "seq": seq}
        listener._take({"type": kind, "channel": "quotes", "data": [item], **more})

    take("snapshot", 5)
    take("update", 6)
    take("update", 9, conflated={A: 2})
    take("update", 12, lost={A: 1}, conflated={A: 1})
    assert told.notes == []
    take("update", 14)
    assert told.notes == [f"{A}: 14 after 12, and 0 were announced"]
    take("update", 14)
    assert told.notes[1:] == [f"{A}: 14 after 14, and 0 were announced"]
    take("snapshot", 20)
    take("update", 21)
    assert len(told.notes) == 2


async def test_a_wrong_key_is_not_tried_again_and_again(serve, listen):
    async with serve(auth={"plugins": ["api_key"]}) as house:
        url = f"ws://{house.address}/ws/market_data"
        told = Told()
        listener = listen.Listener(
            url, [A], key="argus_wrong", on_item=told.item, on_note=told.note
        )
        with pytest.raises(InvalidStatus):
            async with asyncio.timeout(10):
                await listener.run()


async def test_a_server_that_restarts_says_when_to_come_again(house, listen, monkeypatch):
    monkeypatch.setattr(house.audience, "_random", type("R", (), {"randrange": lambda *_: 1234})())
    async with running(listen, house, A) as (listener, told):
        await told.until(lambda: told.items)
        waited = []

        async def sleep(seconds):
            waited.append(seconds)
            await asyncio.Event().wait()

        monkeypatch.setattr(listen, "asyncio", SimpleNamespace(sleep=sleep))
        house.audience.farewell(next(iter(house.audience.connections)))
        next(iter(house.audience.connections)).end(1012, "the server restarts")
        await told.until(lambda: waited)
        assert waited == [1.234]
        assert listener.epoch == house.gateway.streaming.hub.epoch
