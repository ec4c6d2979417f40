"""A gateway behind uvicorn, from the first socket to a clean exit."""

from __future__ import annotations

import asyncio
import functools
import socket
import sys
from collections.abc import Callable
from typing import Any

import typer
import uvicorn

from argus_api import create_app
from argus_api.stream import SERVER
from argus_cli.descriptors import raise_limit
from argus_cli.gentle import GentleServer
from argus_cli.listening import bound, url_of
from argus_cli.logs import configuration
from argus_cli.reloading import Reloads
from argus_cli.signals import hanging_up, stopping
from argus_core.gateway import Gateway

Ready = Callable[[str], None]


def run(gateway: Gateway, *, access_log: bool = False, ready: Ready | None = None) -> None:
    """Serve until SIGINT or SIGTERM, then return.

    ``ready`` is called with the base URL once requests are answered. Raises
    :class:`ConfigError` if the address cannot be had or a source cannot start.
    """
    raise_limit()
    table = gateway.config.server
    listener = bound(table.host, table.port)
    url = url_of(table.host, listener.getsockname()[1])

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
        timeout_keep_alive=5,
        **SERVER,
        log_config=configuration(gateway.redactor, access_log=access_log),
    )
    server = GentleServer(
        config,
        app.state.lifecycle,
        announce,
        drain_wait=table.drain_wait,
        drain_seconds=table.drain_seconds,
    )
    with listener, asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(server, app.router.lifespan_context(app), listener, gateway))


async def _serve(
    server: GentleServer, lifespan: Any, listener: socket.socket, gateway: Gateway
) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine always runs in a task
    reloads = Reloads(gateway)
    stop = functools.partial(_stop, server, task)
    with stopping(stop), hanging_up(lambda: reloads.begin() if server.started else None):
        try:
            async with lifespan:
                await server.serve(sockets=[listener])
                await reloads.aclose()
        except asyncio.CancelledError:
            return  # told to stop while still opening


def _stop(server: GentleServer, task: asyncio.Task[Any]) -> None:
    if server.started:
        server.drain()
    else:
        task.cancel()
