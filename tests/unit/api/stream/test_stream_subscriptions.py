"""``/api/v1/subscriptions``: who listens to what, for operators."""

import httpx
import pytest
from support.clock import TestClock
from support.listening import PACKED, A, B
from support.process import PLAINLY
from support.waiting import until

from argus_api.v1.subscriptions import SubscriptionsBody
from argus_auth.key_store import KeyStore

PATH = "/api/v1/subscriptions"


async def told(house, **headers):
    """The answer to an operator."""
    async with httpx.AsyncClient(**PLAINLY) as client:
        return await client.get(house.url + PATH, headers=headers)


async def test_everybody_is_shown_with_what_is_heard_and_how_it_is_brought(house):
    async with house.listener(A, B) as client, house.client(PACKED) as packed:
        await client.subscribe(A, channel="depth", interval_ms=300)
        await packed.subscribe(A)
        answer = await told(house)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        body = SubscriptionsBody.model_validate_json(answer.content, extra="forbid")
        first, second = body.data
        assert first.channels == {"quotes": [A, B], "depth": [A]}
        assert first.interval_ms == [0, 300]
        assert (first.protocol, second.protocol) == ("argus.v2", "argus.v2.msgpack")
        assert first.client == "127.0.0.1"
        assert first.sent >= 4
        assert body.feeds[A].listeners == 2
        assert (body.feeds[B].mode, body.feeds[B].carrier) == ("push", "pushing")
        assert body.stats["total_connections"] == 2
        assert body.stats["total_subscriptions"] == 4


async def test_what_was_left_out_is_counted(house):
    async with house.listener(A, interval_ms=300) as client:
        for _ in range(4):
            house.market.push(A)
        await client.hear("update")
        (one,) = (await told(house)).json()["data"]
        assert (one["conflated"], one["lost"]) == (3, 0)


async def test_nobody_is_an_empty_list(house):
    body = (await told(house)).json()
    assert (body["data"], body["feeds"]) == ([], {})


async def test_whoever_has_left_is_gone(house):
    async with house.listener(A):
        pass
    await until(lambda: not house.audience.connections)
    assert (await told(house)).json()["data"] == []


@pytest.mark.parametrize(("scopes", "status"), [(["data"], 403), (["manage"], 200)])
async def test_only_operators_see_it(serve, tmp_path, scopes, status):
    clock = TestClock("2024-03-15 10:00:00")
    async with serve(clock=clock, auth={"plugins": ["api_key"]}) as house:
        store = KeyStore(tmp_path / "data" / "keys.json", clock)
        _, key = store.create("somebody", scopes, None)
        record, reader = store.create("reader", ["data"], None)
        assert (await told(house)).status_code == 401
        async with house.client(headers={"X-API-Key": reader}):
            answer = await told(house, **{"X-API-Key": key})
        assert answer.status_code == status
        if status == 200:
            (one,) = answer.json()["data"]
            assert one["who"] == record.id
            assert reader not in answer.text


async def test_whoever_is_still_to_show_a_key_is_nobody(serve):
    async with serve(auth={"plugins": ["api_key"]}) as house, house.client() as client:
        await client.hear("hello")
        (connection,) = house.audience.connections
        assert connection.principal is None


async def test_parameters_are_refused(house):
    async with httpx.AsyncClient(**PLAINLY) as client:
        assert (await client.get(f"{house.url}{PATH}?x=1")).status_code == 400
