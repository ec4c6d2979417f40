"""A closed-loop HTTP/1.1 client that costs little: raw sockets, keep-alive, bodies unread."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """What one run saw."""

    requests: int
    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """The latency in milliseconds that ``share`` of the requests did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


async def _one(port: int, path: str, ends: float, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    try:
        while (began := time.perf_counter()) < ends:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            status, _, rest = head.partition(b"\r\n")
            if b" 200 " not in status + b" ":
                raise RuntimeError(f"{path}: {status.decode()}")
            length = next(
                int(line.split(b":")[1])
                for line in rest.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - began)
    finally:
        writer.close()


async def load(port: int, path: str, *, seconds: float, connections: int) -> Load:
    """Ask ``path`` over and over for ``seconds`` on so many connections."""
    latencies: list[float] = []
    began = time.perf_counter()
    ends = began + seconds
    await asyncio.gather(*(_one(port, path, ends, latencies) for _ in range(connections)))
    return Load(len(latencies), time.perf_counter() - began, latencies)
