"""How a talk is refused or ended: close codes, the handshake's statuses, codes of errors."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from argus_core import ArgusError, BadCredentials, BadParameter
from argus_core.errors import (
    DeadlineExceeded,
    Forbidden,
    NotOffered,
    NotReady,
    Overloaded,
    TooLarge,
    UnknownSymbol,
)

BROKEN = 1002
NOT_UTF8 = 1007
TOO_BIG = 1009
RESTARTS = 1012
UNREADABLE = 4000
NOT_ALLOWED = 4001
SLOW = 4008
TOO_MANY = 4009
RATE_LIMITED = "RATE_LIMIT_EXCEEDED"

CLOSES: Mapping[int, str] = MappingProxyType(
    {
        BROKEN: "Frames that break the WebSocket protocol.",
        NOT_UTF8: "A text frame that is not UTF-8.",
        TOO_BIG: "A message that is larger than the limit.",
        1011: "Pings of the server went unanswered.",
        RESTARTS: "The server ends or restarts: come again, after a random pause.",
        UNREADABLE: "Too many messages that cannot be read.",
        NOT_ALLOWED: "No valid key came in time, or the key was revoked or has expired.",
        SLOW: "The client takes less than is sent to it.",
        TOO_MANY: "Too many messages or pings within a minute, or a message in too many fragments.",
    }
)
"""The codes with which the server closes a connection, and why."""
ABUSES = frozenset({BROKEN, NOT_UTF8, TOO_BIG, UNREADABLE, TOO_MANY})
"""Those of them that speak of what the client sent: nothing more of it is looked at."""

HANDSHAKES: Mapping[int, str] = MappingProxyType(
    {
        400: "A key stands in the URL, or the handshake is malformed.",
        401: "The key in the headers is not valid.",
        403: "The key may not read data, or the page's origin is not allowed.",
        414: "The request's line is too long.",
        429: "Too many connections of this address were ended for abuse within a minute; "
        "Retry-After says when to come again.",
        431: "The headers are too many or too long.",
        503: "No more connections are taken just now; Retry-After says when to come again.",
    }
)
"""The HTTP statuses with which a handshake is refused, and why."""

_RAISED: tuple[type[ArgusError], ...] = (
    BadParameter,
    BadCredentials,
    Forbidden,
    UnknownSymbol,
    TooLarge,
    NotOffered,
    NotReady,
    Overloaded,
    DeadlineExceeded,
)
ERRORS = frozenset({RATE_LIMITED, *(error.code for error in _RAISED)})
"""The codes of ``error`` messages and of rejected symbols."""
