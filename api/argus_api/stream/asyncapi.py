"""The AsyncAPI 3 document of the live updates: what is said in every dialect, and the terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from argus_api.auth import SECURITY_SCHEMES
from argus_api.stream import described
from argus_api.stream.asks import LONGEST_PAUSE
from argus_api.stream.audience import Audience
from argus_api.stream.codes import CLOSES, HANDSHAKES
from argus_api.stream.described import Message, Schema
from argus_api.stream.modern import JSON_PROTOCOL, MSGPACK_PROTOCOL
from argus_api.stream.protocol import FRAGMENTS, PINGS
from argus_api.stream.server import AUTH, PATH
from argus_core import __version__
from argus_core.streaming.caught import REMEMBERED
from argus_core.streaming.lanes import QUEUED

VERSION = "3.0.0"
EVENTS_PATH = "/api/v1/market_data/stream"
_JSON = "application/json"
_MSGPACK = "application/msgpack"

_ABOUT = """\
Live quotes, books, trades and bars. One WebSocket, whose subprotocol decides how it is talked to:
none for the older dialect, `argus.v2` for JSON, `argus.v2.msgpack` for the same in MessagePack.
Whoever only listens may have the messages of `argus.v2` as server-sent events.

**Nothing is missed unawares.** `seq` counts the updates of each symbol on each channel within one
`epoch`. After a snapshot or update with `seq` n, the next one of the same symbol has
n + 1 + `conflated` + `lost`, where these stand for the symbol in a message since. Where a message
has several bars of one symbol, what these count may lie between any of them.

Clients ignore keys and types that they do not know. Keys are shown in headers or in the first
message, never in the URL.
"""

_ANSWERED: Mapping[str, tuple[str, ...]] = {
    "subscribe": ("subscribed", "snapshot", "update", "error"),
    "unsubscribe": ("unsubscribed", "error"),
    "ping": ("pong",),
    "get_stats": ("stats",),
    "list": ("subscriptions",),
    "auth": ("authenticated", "error"),
}


def document(audience: Audience, *, host: str, secure: bool, root: str = "") -> dict[str, Any]:
    """The document as it holds for this server, which clients reach at ``host``."""
    answers, asked = described.answers(), described.asked()
    acknowledged, events = described.acknowledged(), described.events()
    modern = (*answers, acknowledged, *described.only_sockets(audience.limits), *events)
    plain = (*answers, described.market_data())
    streamed = (acknowledged, *events, described.closed())
    payloads = {one.name: one.schema for one in (*asked, *plain, *modern, *streamed)}
    channels = {
        "plain": _socket("No subprotocol: one message an update.", None, (*asked, *plain)),
        "modern": _socket("Numbered updates in JSON.", JSON_PROTOCOL, (*asked, *modern)),
        "packed": _socket(
            "The same in MessagePack, in binary frames.", MSGPACK_PROTOCOL, (*asked, *modern)
        ),
        "events": {
            "address": EVENTS_PATH,
            "title": "The same as server-sent events",
            "description": "Each message is the `data` of an event, its type the event's name. "
            "What to hear stands in the query, see `/openapi.json`.",
            "servers": [{"$ref": "#/servers/http"}],
            "messages": _messages(streamed, _JSON),
        },
    }
    return {
        "asyncapi": VERSION,
        "info": {"title": "Argus live updates", "version": __version__, "description": _ABOUT},
        "defaultContentType": _JSON,
        "servers": _servers(host, root, secure=secure),
        "channels": channels,
        "operations": {
            **_operations("plain", asked, plain),
            **_operations("modern", asked, modern),
            **_operations("packed", asked, modern),
            **_operations("events", (), streamed),
        },
        "components": {
            "schemas": {**described.items(), **described.plain_items(), **payloads},
            "messages": {
                **_made((*asked, *plain, *modern, *streamed), _JSON),
                **_made((*asked, *modern), _MSGPACK),
            },
            "securitySchemes": _schemes(),
        },
        "x-limits": {
            **audience.limits,
            "seconds_to_show_a_key": AUTH,
            "pings_per_minute": PINGS,
            "fragments": FRAGMENTS,
            "interval_ms": LONGEST_PAUSE,
            "waiting_trades": QUEUED,
            "resumable_trades": REMEMBERED,
            "seconds_to_take_what_is_sent": audience.streaming.table.write_deadline,
        },
        "x-close-codes": {str(code): why for code, why in CLOSES.items()},
        "x-refused-handshakes": {str(status): why for status, why in HANDSHAKES.items()},
    }


def _servers(host: str, root: str, *, secure: bool) -> dict[str, Schema]:
    locks = [{"$ref": f"#/components/securitySchemes/{name}"} for name in SECURITY_SCHEMES]
    common: Schema = {"host": host, "security": locks, **({"pathname": root} if root else {})}
    names = {"websocket": "ws", "http": "http"}
    return {
        name: {**common, "protocol": protocol + ("s" if secure else "")}
        for name, protocol in names.items()
    }


def _schemes() -> dict[str, Schema]:
    """The headers for keys; a key in a header has another name here than in OpenAPI."""
    renamed = {"apiKey": "httpApiKey"}
    return {
        name: {**scheme, "type": renamed.get(scheme["type"], scheme["type"])}
        for name, scheme in SECURITY_SCHEMES.items()
    }


def _socket(title: str, protocol: str | None, messages: Iterable[Message]) -> Schema:
    headers = {} if protocol is None else {"Sec-WebSocket-Protocol": {"const": protocol}}
    handshake = {"type": "object", "properties": headers}
    packed = protocol == MSGPACK_PROTOCOL
    return {
        "address": PATH,
        "title": title,
        "servers": [{"$ref": "#/servers/websocket"}],
        "messages": _messages(messages, _MSGPACK if packed else _JSON),
        "bindings": {"ws": {"method": "GET", "headers": handshake, "bindingVersion": "0.1.0"}},
    }


def _messages(messages: Iterable[Message], form: str) -> dict[str, Schema]:
    """References to messages, by name."""
    return {one.name: {"$ref": f"#/components/messages/{_key(one.name, form)}"} for one in messages}


def _made(messages: Iterable[Message], form: str) -> dict[str, Schema]:
    return {
        _key(one.name, form): {
            "name": one.name,
            "title": one.name,
            "summary": one.summary,
            "contentType": form,
            "payload": {"$ref": f"#/components/schemas/{one.name}"},
        }
        for one in messages
    }


def _key(name: str, form: str) -> str:
    return f"{name}.packed" if form == _MSGPACK else name


def _operations(
    channel: str, asked: Iterable[Message], said: Iterable[Message]
) -> dict[str, Schema]:
    """What is done on a channel: each action with its answers, and what comes unasked."""
    names = [one.name for one in said]
    where = {"$ref": f"#/channels/{channel}"}

    def references(wanted: Iterable[str]) -> list[Schema]:
        return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in wanted]

    operations: dict[str, Schema] = {
        f"{channel}.tell": {
            "action": "send",
            "channel": where,
            "summary": "What the server says.",
            "messages": references(names),
        }
    }
    for one in asked:
        answered = [name for name in _ANSWERED[one.name] if name in names]
        reply = {"reply": {"channel": where, "messages": references(answered)}} if answered else {}
        operations[f"{channel}.{one.name}"] = {
            "action": "receive",
            "channel": where,
            "summary": one.summary,
            "messages": references((one.name,)),
            **reply,
        }
    return operations
