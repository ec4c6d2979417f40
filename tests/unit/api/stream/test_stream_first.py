"""What was pushed goes before everything else, and without a turn of the loop in between."""

import asyncio

from support.listening import A, B


async def test_the_server_is_busy_from_the_push_until_it_is_sent(house):
    async with house.listener(A) as client:
        assert not house.app.state.lifecycle.busy()
        house.market.push(A)
        assert house.app.state.lifecycle.busy()
        await client.hear("update")
        assert not house.app.state.lifecycle.busy()


async def test_it_is_sent_in_the_very_turn_in_which_it_is_taken_in(house):
    async with house.listener(A, B) as client:
        (connection,) = house.audience.connections
        await asyncio.sleep(0.05)  # the pause after what it heard at first
        sent, seen = connection.sent, []
        loop = asyncio.get_running_loop()
        house.market.push(A)
        house.market.push(B)
        # Comes right after what was pushed is taken in.
        loop.call_soon_threadsafe(lambda: seen.append(connection.sent))
        told = await client.hear("update")
        assert seen == [sent + 1]
        assert {item["symbol"] for item in told["data"]} == {A, B}
