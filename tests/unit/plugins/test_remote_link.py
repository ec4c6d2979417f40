"""The connections to another Argus, against a server that answers with whatever bytes."""

import asyncio
import contextlib
import gzip

import pytest

from argus_core import BadData, SourceTimeout, SourceUnavailable
from argus_core.clock import Clock
from argus_core.model.ask import Deadline
from argus_core.model.request import requesting
from argus_remote.link import Link
from argus_remote.settings import RemoteSettings


@contextlib.asynccontextmanager
async def linked(answer, **given):
    """A link to a server that sends these bytes, and what was sent to it."""
    requests, serving = [], {}

    async def serve(reader, writer):
        serving[asyncio.current_task()] = writer
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line for line in head.split(b"\r\n") if b"ontent-length" in line.lower()]
                size = int(length[0].rpartition(b":")[2]) if length else 0
                requests.append(head + await reader.readexactly(size))
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()

    cap = given.pop("body_cap", 1_000_000)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = Link("agent", RemoteSettings(url=f"http://127.0.0.1:{port}", **given), body_cap=cap)
    try:
        yield link, requests
    finally:
        await link.aclose()
        server.close()
        for writer in serving.values():
            writer.close()
        await asyncio.gather(*serving)


def ok(body, *headers):
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def test_an_answer_comes_over_a_connection_that_is_kept():
    async with linked(ok(b"fine"), key="secret-key") as (link, requests):
        for _ in range(3):
            response = await link.post("/x", b"{}", {"X-Argus-Via": "a"})
    assert (response.status, response.body) == (200, b"fine")
    assert len(requests) == 3
    head = requests[0].decode().lower()
    assert "x-api-key: secret-key" in head
    assert "x-argus-via: a" in head
    assert "accept-encoding: identity" in head


async def test_a_redirect_is_not_followed():
    moved = b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    async with linked(moved) as (link, requests):
        assert (await link.get("/x", 1.0)).status == 307
    assert len(requests) == 1


async def test_an_answer_is_unpacked():
    packed = ok(gzip.compress(b"fine" * 1000), b"Content-Encoding: gzip")
    async with linked(packed, compression="always") as (link, requests):
        assert (await link.get("/x", 1.0)).body == b"fine" * 1000
    assert b"accept-encoding: gzip" in requests[0].lower()


BOMB = gzip.compress(bytes(20_000_000))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (ok(bytes(2_000_000)), BadData),
        (ok(BOMB, b"Content-Encoding: gzip"), BadData),
        (ok(gzip.compress(b"fine", mtime=0)[:-9], b"Content-Encoding: gzip"), BadData),
        (ok(b"nonsense", b"Content-Encoding: gzip"), BadData),
        (ok(b"fine", b"Content-Encoding: br"), BadData),
        (b"SSH-2.0-OpenSSH\r\n\r\n", SourceUnavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nfine", SourceTimeout),
        (None, SourceUnavailable),
    ],
)
async def test_what_is_no_answer_is_an_error_of_the_source(answer, error):
    async with linked(answer, timeout=0.3) as (link, _):
        with pytest.raises(error) as caught:
            await link.get("/x", 0.3)
        assert link.busy == 0
    assert "127.0.0.1" not in str(caught.value)


async def test_nobody_there_is_unavailable_at_once():
    async with linked(ok(b"fine")) as (link, _):
        pass
    with pytest.raises(SourceUnavailable, match="nobody listens there"):
        await link.get("/x", 5.0)


async def test_the_environments_proxy_is_not_asked(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with linked(ok(b"fine")) as (link, _):
        assert (await link.get("/x", 1.0)).status == 200


async def test_the_address_is_connected_to_and_the_name_is_said():
    async with linked(ok(b"fine")) as (link, requests):
        port = link._settings.host.rpartition(":")[2]
        settings = RemoteSettings(url=f"http://agent.invalid:{port}", address="127.0.0.1")
        named = Link("agent", settings)
        assert (await named.get("/x", 1.0)).status == 200
        await named.aclose()
    assert f"host: agent.invalid:{port}" in requests[0].decode().lower()


async def test_connecting_takes_no_longer_than_the_deadline_allows():
    clock = Clock()
    async with linked(ok(b"fine")) as (link, _):
        with requesting(deadline=Deadline.within(0.2, clock)):
            request = link._request("GET", "/x", b"", {}, 9.0)
        assert request.extensions["timeout"]["connect"] <= 0.2
        assert link._request("GET", "/x", b"", {}, 9.0).extensions["timeout"]["connect"] == 1.0
