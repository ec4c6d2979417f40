"""Live updates over WebSocket and server-sent events: both dialects, from handshake to farewell."""

from argus_api.stream.audience import Audience
from argus_api.stream.protocol import SERVER
from argus_api.stream.server import Sockets

__all__ = ["SERVER", "Audience", "Sockets"]
