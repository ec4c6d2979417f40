"""A plugin that looks for a new version of itself when it is imported."""

import contextlib
import socket

from argus_core import Cache

with contextlib.suppress(OSError):
    socket.create_connection(("127.0.0.1", 9), 0.1).close()


class Calling(Cache):
    """Nothing else."""
