"""A gateway behind uvicorn, from the first socket to a clean exit."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import typer
import uvicorn

from argus_api import create_app
from argus_cli.logs import configuration
from argus_core.errors import ConfigError
from argus_core.gateway import Gateway

GRACE = 10
"""Seconds that requests under way may take to end after the signal to stop."""

_WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - only compared with

Ready = Callable[[str], None]


def run(gateway: Gateway, *, access_log: bool = False, ready: Ready | None = None) -> None:
    """Serve until SIGINT or SIGTERM, then return.

    ``ready`` is called with the base URL once requests are answered. Raises
    :class:`ConfigError` if the address cannot be had or a source cannot start.
    """
    table = gateway.config.server
    listener = _listener(table.host, table.port)
    url = _url(table.host, listener.getsockname()[1])

    def announce() -> None:
        typer.echo(f"Argus answers on {url} (documentation: {url}/docs)")
        if ready is not None:
            ready(url)
        sys.stdout.flush()  # a supervisor that reads a pipe waits for this line

    app = create_app(gateway)
    config = uvicorn.Config(
        app,
        host=table.host,
        port=table.port,
        lifespan="off",  # entered below, so that its errors arrive here and not in a log
        server_header=False,
        access_log=access_log,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=5,
        log_config=configuration(gateway.redactor, access_log=access_log),
    )
    server = _Server(config, announce)
    with listener, asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(server, app.router.lifespan_context(app), listener))


class _Server(uvicorn.Server):
    """uvicorn's server, which announces itself and leaves the signals to :func:`_stopping`."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except OSError as error:  # somebody began to listen between our bind and now
            raise _refused(self.config.host, self.config.port, error) from None
        self._announce()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        # The original raises the signal once more at the end, and the process would die of it
        # with the lifespan still open.
        yield


async def _serve(server: uvicorn.Server, lifespan: Any, listener: socket.socket) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine always runs in a task
    with _stopping(server, task):
        try:
            async with lifespan:
                await server.serve(sockets=[listener])
        except asyncio.CancelledError:
            return  # told to stop while still opening


@contextmanager
def _stopping(server: uvicorn.Server, task: asyncio.Task[Any]) -> Generator[None]:
    """SIGINT and SIGTERM stop the server: gently first, at once when repeated."""
    loop = asyncio.get_running_loop()

    def stop(_signal: int, _frame: Any) -> None:
        if not server.started:
            loop.call_soon_threadsafe(task.cancel)
        elif server.should_exit:
            server.force_exit = True
        server.should_exit = True

    caught = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        caught.append(signal.SIGBREAK)
    before = {each: signal.signal(each, stop) for each in caught}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _listener(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet: nobody connects before there are answers."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol's number asyncio leaves Nagle's algorithm on: 40 ms a request.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform != "win32":  # there the option would let two servers share one port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise _refused(host, port, error) from None
    return listener


def _refused(host: str, port: int, error: OSError) -> ConfigError:
    where = "[server] host and port, ARGUS_HOST, ARGUS_PORT, or --host and --port"
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"port {port} on {host} is already taken",
            where=where,
            fix=f"stop the other program, or take another port: --port {port + 1}",
        )
    if isinstance(error, PermissionError):
        return ConfigError(
            f"this user may not listen on port {port}", where=where, fix="take a port above 1023"
        )
    return ConfigError(
        f"cannot listen on {host}: {error.strerror or error}",
        where=where,
        fix="name an address of this machine, such as 127.0.0.1",
    )


def _url(host: str, port: int) -> str:
    if host in _WILDCARDS:
        host = "127.0.0.1"  # what a browser on this machine can open
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
