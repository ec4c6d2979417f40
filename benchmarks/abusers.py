"""Clients that misbehave, in a process of their own: `abuse.py` starts it and reads its table.

    python benchmarks/abusers.py PORT SECONDS EACH WHENCE [NAME …]

Every offence is committed by so many clients at once, again and again until the time is over. With
``known`` for WHENCE each client has an address of its own, as a proxy on the server's machine tells
it; with ``unknown`` nothing tells them from everybody else. Prints ``ready`` once they begin, then,
as JSON, how each ended: the code of the server's close frame, the status of an HTTP answer, ``cut``
where the connection was broken off, ``open`` where nothing happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
import psutil
import stream_house
from abuser_line import Ending, Line, Refused, opened
from stream_source import MARKET
from stream_wire import PATH
from websockets.frames import Frame, Opcode

SLOW_SYMBOLS = 200
PATIENCE = 18.0
"""Seconds that a client which never reads waits before it looks how it was ended."""
ENDLESS = 75.0
"""Seconds after which an offender gives up that nothing happens to."""
PAUSE = 1.0
"""Seconds until an offender comes again."""


def _changes() -> Iterator[bytes]:
    """Changes of mind, as they are sent."""
    random = Random(7)
    for _ in range(1000):
        change = {
            "action": random.choice(("subscribe", "unsubscribe")),
            "symbols": random.sample(MARKET[:1000], 20),
            "interval_ms": random.randrange(1, 100_000),
        }
        yield Frame(Opcode.TEXT, json.dumps(change).encode()).serialize(mask=True)


CHANGES = list(_changes())
# -- the offences ---------------------------------------------------------------------------------


async def never_reads(line: Line, random: Random) -> Ending:
    """Subscribes, and takes nothing until long after."""
    await line.say(action="subscribe", symbols=random.sample(MARKET[:1000], SLOW_SYMBOLS))
    await asyncio.sleep(PATIENCE)
    return await line.ending()


async def reads_a_byte_a_second(line: Line, random: Random) -> Ending:
    """Subscribes, and takes as good as nothing."""
    await line.say(action="subscribe", symbols=random.sample(MARKET[:1000], SLOW_SYMBOLS))
    ends = time.monotonic() + PATIENCE
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
    """Begins a handshake, or not even that, and says nothing more."""
    head = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n".encode()
    await line.raw(head[: random.choice((0, random.randrange(len(head))))])
    try:
        async with asyncio.timeout(ENDLESS):
            answer = await line.taken()
    except TimeoutError:
        return "open"
    return answer.split(b" ", 2)[1].decode() if answer else "cut"


async def floods_pings(line: Line, _random: Random) -> Ending:
    """Sends control frames without end."""
    ping = Frame(Opcode.PING, b"x" * 125).serialize(mask=True)
    return await _flooding(line, lambda: line.raw(ping))


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
    message = Frame(Opcode.TEXT, b'{"action":"ping"}').serialize(mask=True)
    return await _flooding(line, lambda: line.raw(message))


async def floods_subscriptions(line: Line, random: Random) -> Ending:
    """Changes its mind without end, at a thousand paces."""
    return await _flooding(line, lambda: line.raw(random.choice(CHANGES)))


async def sends_no_utf8(line: Line, _random: Random) -> Ending:
    """Sends a text that is none."""
    await line.frame(Opcode.TEXT, b'{"action":"\xff\xfe"}')
    return await line.ending()


async def sends_fragments(line: Line, _random: Random) -> Ending:
    """Begins a message and never ends it."""
    await line.frame(Opcode.TEXT, b"{", fin=False)
    more = Frame(Opcode.CONT, b" " * 64, fin=False).serialize(mask=True)
    return await _flooding(line, lambda: line.raw(more))


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
    nonsense = Frame(Opcode.TEXT, b"nonsense").serialize(mask=True)
    return await _flooding(line, lambda: line.raw(nonsense))


async def breaks_the_framing(line: Line, _random: Random) -> Ending:
    """Sends a frame that no client may send: it is not masked."""
    await line.raw(Frame(Opcode.TEXT, b"{}").serialize(mask=False))
    return await line.ending()


async def _flooding(line: Line, once: Callable[[], Awaitable[None]]) -> Ending:
    """Send without end, reading what comes, until the server ends it.

    What is sent is made beforehand: what a flood costs this end is not to be felt.
    """
    reading = asyncio.ensure_future(line.ending(ENDLESS))
    try:
        while not reading.done():
            for _ in range(10):
                await once()
            await asyncio.sleep(0.001)
    except OSError:
        pass  # the server has ended it; how is what `reading` finds
    return await reading


OFFENCES: dict[Callable[[Line, Random], Awaitable[Ending]], frozenset[Ending]] = {
    never_reads: frozenset({"4008"}),
    reads_a_byte_a_second: frozenset({"4008"}),
    disconnects: frozenset({"open"}),
    half_open: frozenset({"408", "cut"}),
    floods_pings: frozenset({"4009"}),
    floods_pongs: frozenset({"4009"}),
    floods_empty_messages: frozenset({"4000"}),
    floods_messages: frozenset({"4009"}),
    floods_subscriptions: frozenset({"4009"}),
    sends_no_utf8: frozenset({"1007"}),
    sends_fragments: frozenset({"1009"}),
    sends_empty_fragments: frozenset({"4009"}),
    sends_a_megabyte: frozenset({"1009"}),
    sends_nonsense: frozenset({"4000"}),
    breaks_the_framing: frozenset({"1002"}),
}
"""Every offence, with the endings that are documented for it. A connection on which nothing was
said at all is closed without a word."""
KEPT_OUT = "429"
"""How the next handshakes of an address end that was ended for abuse too often."""
SLOW = frozenset({never_reads, reads_a_byte_a_second, half_open})
"""Those that take a quarter of a minute or more each time."""
HARMLESS = SLOW | {disconnects}
"""Those for which no address is kept out."""


async def committed(
    offence: Callable[[Line, Random], Awaitable[Ending]],
    port: int,
    ends: float,
    seed: int,
    address: str | None,
) -> Counter[Ending]:
    """How one client's offences ended."""
    endings, random = Counter[Ending](), Random(seed)
    narrow = offence in SLOW
    while time.monotonic() < ends:
        try:
            line = await opened(port, address, narrow=narrow, shake=offence is not half_open)
            with line.sock:
                endings[await offence(line, random)] += 1
        except Refused as error:
            endings[str(error)] += 1
        except OSError as error:
            endings[type(error).__name__] += 1
        await asyncio.sleep(PAUSE)
    return endings


async def main(
    port: int, seconds: float, each: int, whence: str, names: list[str]
) -> dict[str, dict[str, int]]:
    """The endings by offence."""
    chosen = [one for one in OFFENCES if not names or one.__name__ in names]
    runs = [(one, seed) for one in chosen for seed in range(each)]
    # Addresses that are set aside for benchmarks: nobody has them.
    network = IPv4Network("198.18.0.0/15")
    known = whence == "known"
    addresses = [str(network[number + 1]) if known else None for number in range(len(runs))]
    print("ready", flush=True)
    ends = time.monotonic() + seconds
    found = await asyncio.gather(
        *(
            committed(one, port, ends, seed, address)
            for (one, seed), address in zip(runs, addresses, strict=True)
        )
    )
    told: dict[str, Counter[Ending]] = {}
    for (one, _), endings in zip(runs, found, strict=True):
        told.setdefault(one.__name__, Counter()).update(endings)
    return {name: dict(endings) for name, endings in told.items()}


if __name__ == "__main__":
    # The good clients, on the same core, are not to be slowed down by this end.
    stream_house.unhurried(psutil.Process())
    port, seconds, each, whence, *names = sys.argv[1:]
    print(json.dumps(asyncio.run(main(int(port), float(seconds), int(each), whence, names))))
