"""The socket that a server listens on: what it means if it cannot be had, how it is left."""

from __future__ import annotations

import errno
import socket
import sys

from argus_core.errors import ConfigError

LINGER = 1.0
"""Seconds in which an idle connection may send one more request once nobody listens any more: its
client may be writing it at this very moment, and would see the connection break."""
CLOSING = 2.0
"""Seconds that sources and caches may take to close once the end was asked for twice."""
UNREAD = 64 * 1024
"""Bytes of one connection that the system keeps until they are read. Left to itself it takes some
megabytes of whoever sends more than is read."""
_WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - only compared with


def bound(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet: nobody connects before there are answers.

    Raises :class:`ConfigError` if the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol's number asyncio leaves Nagle's algorithm on: 40 ms a request.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform != "win32":  # there the option would let two servers share one port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD)  # its connections inherit it
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise refused(host, port, error) from None
    return listener


def refused(host: str, port: int, error: OSError) -> ConfigError:
    """Why nothing can listen there, and what to do about it."""
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


def url_of(host: str, port: int) -> str:
    """The base URL under which this machine reaches a server on ``host``."""
    if host in _WILDCARDS:
        host = "127.0.0.1"  # what a browser on this machine can open
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
