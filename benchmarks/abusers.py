"""Clients that misbehave, in a process of their own: `abuse.py` starts it and reads its table.

    python benchmarks/abusers.py PORT SECONDS EACH [NAME …]

Every offence is committed by so many clients at once, again and again until the time is over.
Prints, as JSON, how each ended: the code of the server's close frame, ``cut`` where the connection
was broken off, ``open`` where nothing happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
from stream_source import MARKET
from stream_wire import PATH, PROTOCOL
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

SLOW_SYMBOLS = 200
PATIENCE = 6.0
"""Seconds that a client which never reads waits before it looks how it was ended."""
PAUSE = 1.0
"""Seconds until an offender comes again."""
Ending = str


class Line:
    """A connection of which everything can be sent, right or wrong."""

    def __init__(self, sock: socket.socket, port: int) -> None:
        self.sock = sock
        uri = parse_uri(f"ws://127.0.0.1:{port}{PATH}")
        self.protocol = ClientProtocol(uri, subprotocols=[Subprotocol(PROTOCOL)], max_size=None)

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def frame(self, opcode: Opcode, data: bytes, *, fin: bool = True) -> None:
        """Send a masked frame, whatever came before it."""
        await self.raw(Frame(opcode, data, fin).serialize(mask=True))

    async def say(self, **message: object) -> None:
        """Send a message."""
        await self.frame(Opcode.TEXT, json.dumps(message).encode())

    async def taken(self, size: int = 1 << 16) -> bytes:
        """The next bytes; none at the end."""
        return await asyncio.get_running_loop().sock_recv(self.sock, size)

    async def shake(self) -> None:
        """The handshake; ConnectionError if it fails."""
        self.protocol.send_request(self.protocol.connect())
        await self.raw(b"".join(self.protocol.data_to_send()))
        head = b""
        while b"\r\n\r\n" not in head:
            data = await self.taken()
            if not data:
                raise ConnectionError("no handshake")
            head += data
        self.protocol.receive_data(head)

    async def ending(self, seconds: float = 10.0) -> Ending:
        """How the server ends it: the code, ``cut``, or ``open`` if it does not."""
        try:
            async with asyncio.timeout(seconds):
                while self.protocol.close_rcvd is None:
                    data = await self.taken()
                    if not data:
                        return "cut"
                    self.protocol.receive_data(data)
        except TimeoutError:
            return "open"
        except OSError:
            return "cut"
        return str(self.protocol.close_rcvd.code)


async def opened(port: int, *, narrow: bool = False, shake: bool = True) -> Line:
    """A connection; a narrow one makes the kernel buffer as little as it can."""
    sock = socket.socket()
    sock.setblocking(False)
    if narrow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        if hasattr(socket, "TCP_MAXSEG"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    try:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        line = Line(sock, port)
        if shake:
            await line.shake()
    except BaseException:
        sock.close()
        raise
    return line


# -- the offences ---------------------------------------------------------------------------------


async def never_reads(line: Line, random: Random) -> Ending:
    """Subscribes, and takes nothing until long after."""
    await line.say(action="subscribe", symbols=random.sample(MARKET[:1000], SLOW_SYMBOLS))
    await asyncio.sleep(3 * PATIENCE)
    return await line.ending()


async def reads_a_byte_a_second(line: Line, random: Random) -> Ending:
    """Subscribes, and takes as good as nothing."""
    await line.say(action="subscribe", symbols=random.sample(MARKET[:1000], SLOW_SYMBOLS))
    ends = time.monotonic() + 3 * PATIENCE
    while time.monotonic() < ends:
        try:
            line.protocol.receive_data(await line.taken(1))
        except OSError:
            return "cut"
        await asyncio.sleep(1)
    return await line.ending()


async def disconnects(line: Line, random: Random) -> Ending:
    """Is gone without a word, at any moment."""
    await line.say(action="subscribe", symbols=random.sample(MARKET[:1000], 20))
    await asyncio.sleep(random.random())
    return "open"


async def half_open(line: Line, random: Random) -> Ending:
    """Begins a handshake and says nothing more."""
    head = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n".encode()
    await line.raw(head[: random.randrange(len(head))])
    await asyncio.sleep(2 * PATIENCE)
    return "open"


async def floods_pings(line: Line, _random: Random) -> Ending:
    """Sends control frames without end."""
    return await _flooding(line, lambda: line.frame(Opcode.PING, b"x" * 125))


async def floods_pongs(line: Line, _random: Random) -> Ending:
    """Answers pings that nobody sent, a thousand at once."""
    many = Frame(Opcode.PONG, b"").serialize(mask=True) * 1000
    return await _flooding(line, lambda: line.raw(many))


async def floods_empty_messages(line: Line, _random: Random) -> Ending:
    """Sends messages with nothing in them, a thousand at once."""
    many = Frame(Opcode.TEXT, b"").serialize(mask=True) * 1000
    return await _flooding(line, lambda: line.raw(many))


async def floods_messages(line: Line, _random: Random) -> Ending:
    """Sends messages without end."""
    return await _flooding(line, lambda: line.say(action="ping"))


async def floods_subscriptions(line: Line, random: Random) -> Ending:
    """Changes its mind without end, each time at another pace."""

    async def change() -> None:
        action = random.choice(("subscribe", "unsubscribe"))
        symbols = random.sample(MARKET[:1000], 20)
        pace = random.randrange(1, 100_000)
        await line.say(action=action, symbols=symbols, interval_ms=pace)

    return await _flooding(line, change)


async def sends_no_utf8(line: Line, _random: Random) -> Ending:
    """Sends a text that is none."""
    await line.frame(Opcode.TEXT, b'{"action":"\xff\xfe"}')
    return await line.ending()


async def sends_fragments(line: Line, _random: Random) -> Ending:
    """Begins a message and never ends it."""
    await line.frame(Opcode.TEXT, b"{", fin=False)
    return await _flooding(line, lambda: line.frame(Opcode.CONT, b" " * 64, fin=False))


async def sends_empty_fragments(line: Line, _random: Random) -> Ending:
    """Begins a message and goes on with nothing."""
    await line.frame(Opcode.TEXT, b"{", fin=False)
    many = Frame(Opcode.CONT, b"", fin=False).serialize(mask=True) * 1000
    return await _flooding(line, lambda: line.raw(many))


async def sends_a_megabyte(line: Line, _random: Random) -> Ending:
    """Sends one frame that is far too large."""
    with contextlib.suppress(OSError):  # cut short; what the server said is still there
        await line.frame(Opcode.TEXT, b" " * (1 << 20))
    return await line.ending()


async def sends_nonsense(line: Line, _random: Random) -> Ending:
    """Sends what is no message, over and over."""
    return await _flooding(line, lambda: line.frame(Opcode.TEXT, b"nonsense"))


async def breaks_the_framing(line: Line, _random: Random) -> Ending:
    """Sends a frame that no client may send: it is not masked."""
    await line.raw(Frame(Opcode.TEXT, b"{}").serialize(mask=False))
    return await line.ending()


async def _flooding(line: Line, once: Callable[[], Awaitable[None]]) -> Ending:
    """Send without end, reading what comes, until the server ends it."""
    reading = asyncio.ensure_future(line.ending(3 * PATIENCE))
    try:
        while not reading.done():
            for _ in range(10):
                await once()
            await asyncio.sleep(0.001)
    except OSError:
        pass  # the server has ended it; how is what `reading` finds
    return await reading


OFFENCES: dict[Callable[[Line, Random], Awaitable[Ending]], frozenset[Ending]] = {
    never_reads: frozenset({"4008", "cut"}),
    reads_a_byte_a_second: frozenset({"4008", "cut"}),
    disconnects: frozenset({"open"}),
    half_open: frozenset({"open"}),
    floods_pings: frozenset({"4009"}),
    floods_pongs: frozenset({"4009"}),
    floods_empty_messages: frozenset({"4000", "4009", "cut"}),
    floods_messages: frozenset({"4009", "cut"}),
    floods_subscriptions: frozenset({"4009"}),
    sends_no_utf8: frozenset({"1007"}),
    sends_fragments: frozenset({"1009"}),
    sends_empty_fragments: frozenset({"1009", "4009"}),
    sends_a_megabyte: frozenset({"1009"}),
    sends_nonsense: frozenset({"4000", "4009"}),
    breaks_the_framing: frozenset({"1002"}),
}
"""Every offence, with the endings that are documented for it. A client that takes nothing cannot
be told 4008: it is cut off instead, and so may be one that still sends when the server closes."""
SLOW = frozenset({never_reads, reads_a_byte_a_second, half_open})
"""Those that take a quarter of a minute each time."""


async def committed(
    offence: Callable[[Line, Random], Awaitable[Ending]], port: int, ends: float, seed: int
) -> Counter[Ending]:
    """How one client's offences ended."""
    endings, random = Counter[Ending](), Random(seed)
    narrow = offence in SLOW
    while time.monotonic() < ends:
        try:
            line = await opened(port, narrow=narrow, shake=offence is not half_open)
            with line.sock:
                endings[await offence(line, random)] += 1
        except OSError as error:
            endings[type(error).__name__] += 1
        await asyncio.sleep(PAUSE)
    return endings


async def main(port: int, seconds: float, each: int, names: list[str]) -> dict[str, dict[str, int]]:
    """The endings by offence."""
    ends = time.monotonic() + seconds
    chosen = [one for one in OFFENCES if not names or one.__name__ in names]
    runs = [(one, seed) for one in chosen for seed in range(each)]
    found = await asyncio.gather(*(committed(one, port, ends, seed) for one, seed in runs))
    told: dict[str, Counter[Ending]] = {}
    for (one, _), endings in zip(runs, found, strict=True):
        told.setdefault(one.__name__, Counter()).update(endings)
    return {name: dict(endings) for name, endings in told.items()}


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(10)  # the good clients, on the same core, are not to be slowed down by this end
    result = asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
    print(json.dumps(result))
