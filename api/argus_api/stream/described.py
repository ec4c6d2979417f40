"""What each message is made of: JSON schemas, from the tables that write and read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from argus_api.schemas import QuoteRow, TradeRow
from argus_api.stream.asks import ACTIONS, CHANNELS, LONGEST_PAUSE
from argus_api.stream.codes import CLOSES, ERRORS
from argus_api.stream.items import BAR_FIELDS, TRADE_FIELDS
from argus_api.wire import DEPTH_GROUPS, QUOTE_FIELDS
from argus_core.streaming.bars import BuiltFrom
from argus_core.streaming.topics import BARS, DEPTH, QUOTES, TRADES, Mode

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_INSTANT: Schema = {"type": "string", "description": "ISO 8601 with offset, Shanghai."}
_NUMBER: Schema = {"type": ["number", "null"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SYMBOLS: Schema = {"type": "array", "items": _TEXT}
_COUNTS: Schema = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}}
_BY_CHANNEL: Schema = {"type": "object", "additionalProperties": _SYMBOLS}
_CHANNEL: Schema = {"enum": list(CHANNELS)}
_EPOCH: Schema = {**_TEXT, "description": "Within which `seq` counts; another one: begin anew."}
_ID: Schema = {"type": ["string", "integer"], "description": "The `id` of what is answered."}


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message: its name, what it says, and its schema."""

    name: str
    summary: str
    schema: Schema


# -- items ------------------------------------------------------------------------------------


def items() -> dict[str, Schema]:
    """The items of data, by what they tell of."""
    quote = _fields(QuoteRow.model_json_schema(), QUOTE_FIELDS)
    trade = _fields(TradeRow.model_json_schema(), (*TRADE_FIELDS, "timestamp"))
    level = _object({"price": {"type": "number"}, "volume": {"type": "number"}})
    side = {"type": "array", "items": level}
    groups: Schema = {
        "basic": _object(quote, required=()),
        "orderbook": {"anyOf": [_object({"bids": side, "asks": side}), {"type": "null"}]},
        "trades": {"type": ["array", "null"], "items": _object(trade)},
    }
    bar = {
        "time": {**_INSTANT, "description": "The bar's end."},
        "date": {**_TEXT, "description": "The trading date."},
        **dict.fromkeys(BAR_FIELDS, _NUMBER),
        "built_from": {"enum": list(get_args(BuiltFrom))},
        "final": {"type": "boolean", "description": "Nothing is added any more."},
        "partial": {"const": True, "description": "Some of its time was not heard."},
    }
    return {
        "quoteItem": _item("Yuan, shares (contracts), percent; missing is null.", quote),
        "depthItem": _item("A book.", {group: groups[group] for group in DEPTH_GROUPS}),
        "tradeItem": _item("One trade.", trade),
        "barItem": _item("A bar as far as it has come.", bar),
    }


def plain_items() -> dict[str, Schema]:
    """The same as the dialect without a name tells them: no number, and always two flags."""
    made: dict[str, Schema] = {}
    for name, schema in items().items():
        properties = {key: told for key, told in schema["properties"].items() if key != "seq"}
        properties |= {"stale": {"type": "boolean"}, "simulated": {"type": "boolean"}}
        required = ("symbol", "source", "stale", "simulated")
        made[f"plain{name[0].upper()}{name[1:]}"] = _object(properties, required=required)
    return made


def _item(about: str, properties: Schema) -> Schema:
    told = {
        **properties,
        "symbol": _TEXT,
        "seq": {**_COUNT, "description": "The number of this update of its channel and symbol."},
        "source": {**_TEXT, "description": "Who gave it."},
        "via": {**_SYMBOLS, "description": "Gateways that passed it on, the nearest first."},
        "stale": {"const": True, "description": "Nobody brings it now: this is what was known."},
        "simulated": {"const": True, "description": "It is invented."},
        "replay": {"type": "object", "description": "The recorded day that is played, the speed."},
    }
    return {**_object(told, required=("symbol", "seq", "source")), "description": about}


def _fields(schema: Schema, names: tuple[str, ...]) -> Schema:
    properties = schema["properties"]
    return {name: {k: v for k, v in properties[name].items() if k != "title"} for name in names}


# -- what the server says ---------------------------------------------------------------------


def answers() -> tuple[Message, ...]:
    """What the server answers in every dialect."""
    figures = ("total_connections", "total_subscriptions", "messages_sent", "uptime_seconds")
    stats: Schema = dict.fromkeys((*figures, "updates", "conflated", "lost", "symbols"), _COUNT)
    error = {
        "code": {"enum": sorted(ERRORS)},
        "message": _TEXT,
        "details": {"description": "What else is known: `parameter`, `allowed`, `symbol` …"},
    }
    return (
        _answer("pong", "Still here.", {"timestamp": _INSTANT}),
        _answer("stats", "Figures of this process.", {"data": _object(stats)}),
        _answer("subscriptions", "What is listened to, by channel.", {"data": _BY_CHANNEL}),
        _answer("authenticated", "The key is good.", {}),
        _answer("error", "What was wrong; the talk goes on.", error, optional=("details",)),
    )


def market_data() -> Message:
    """The one message of the dialect without a name that comes unasked."""
    any_item = {"anyOf": [_ref(name) for name in plain_items()]}
    return _message("market_data", "One update.", {"data": any_item})


def acknowledged() -> Message:
    """What follows a subscription: over HTTP it is the first event."""
    why = {"symbol": _TEXT, "code": {"enum": sorted(ERRORS)}, "message": _TEXT}
    mode = {"enum": [*get_args(Mode), None]}
    missed = {"type": ["integer", "null"], "minimum": 0}
    told: Schema = {
        "channel": _CHANNEL,
        "epoch": _EPOCH,
        "symbols": {**_SYMBOLS, "description": "Everything heard on this channel now."},
        "accepted": {**_SYMBOLS, "description": "Those of this subscription that are heard."},
        "rejected": {"type": "array", "items": _object(why)},
        "modes": {"type": "object", "additionalProperties": mode},
        "seq": {
            **_object({}),
            "additionalProperties": _COUNT,
            "description": "The last number of each accepted symbol: what is new comes after it.",
        },
        "missed": {
            "type": "object",
            "additionalProperties": missed,
            "description": "After `since`: updates that do not come any more; null: not known.",
        },
    }
    return _answer("subscribed", "What is listened to now.", told, optional=("missed",))


def events() -> tuple[Message, ...]:
    """What comes unasked in `argus.v2`, and as events over HTTP."""
    status: Schema = {
        "symbols": _SYMBOLS,
        "state": {"enum": ["live", "stale"]},
        "source": _TEXT,
        "previous": _TEXT,
        "mode": {"enum": list(get_args(Mode))},
        "reason": _TEXT,
    }
    gap = {"symbols": _SYMBOLS, "reason": _TEXT, "since": {"type": ["string", "null"]}}
    again = {"reason": _TEXT, "reconnect_after_ms": _COUNT}
    more = ("source", "previous", "mode", "reason")
    return (
        Message("snapshot", "What is known as listening begins.", _numbered("snapshot")),
        Message("update", "What is new, one or many at once.", _numbered("update")),
        _message("status", "Another source, or none any more.", status, optional=more),
        _message("gap", "A source says that something may be missing.", gap),
        _message("shutdown", "The server ends; come again after the pause.", again),
    )


def only_sockets(limits: Mapping[str, float | None]) -> tuple[Message, ...]:
    """What else `argus.v2` says over a WebSocket, under these limits."""
    known = _object({name: {"const": most} for name, most in limits.items()})
    hello = {"epoch": _EPOCH, "server_time": _INSTANT, "limits": known}
    stopped = {"stopped": _BY_CHANNEL, "remaining": _BY_CHANNEL}
    return (
        _message("hello", "The first message.", hello),
        _answer("unsubscribed", "What is not listened to any more.", stopped),
        _message("heartbeat", "There was nothing to tell.", {"time": _INSTANT}),
    )


def closed() -> Message:
    """The last event over HTTP, where a WebSocket is closed with a code."""
    told = {"code": {"enum": list(CLOSES)}, "reason": _TEXT}
    return _message("close", "The server ends this stream, and why.", told)


def _numbered(kind: str) -> Schema:
    """A message with items, of whatever channel."""
    bars = [name for name in CHANNELS if name.startswith(BARS)]
    by_channel = ((QUOTES, "quoteItem"), (DEPTH, "depthItem"), (TRADES, "tradeItem"))
    kinds = [({"const": channel}, item) for channel, item in by_channel]
    more = {"conflated": _COUNTS, "lost": _COUNTS} if kind == "update" else {}
    forms = [
        _object(
            {
                "type": {"const": kind},
                "channel": channel,
                "epoch": _EPOCH,
                "data": {"type": "array", "items": _ref(item)},
                **more,
            },
            required=("type", "channel", "epoch", "data"),
        )
        for channel, item in (*kinds, ({"enum": bars}, "barItem"))
    ]
    return {"oneOf": forms}


# -- what clients say -------------------------------------------------------------------------


def asked() -> tuple[Message, ...]:
    """What clients say, one message for each action."""
    texts = {"anyOf": [_SYMBOLS, {**_TEXT, "description": "One, or several with commas."}]}
    topics: Schema = {"channel": {**_CHANNEL, "default": QUOTES}, "symbols": texts}
    heard: Schema = {
        "epoch": _TEXT,
        "seq": {"type": "object", "additionalProperties": _COUNT},
    }
    subscribe = {
        **topics,
        "fields": texts,
        "interval_ms": {"type": "number", "minimum": 0, "maximum": LONGEST_PAUSE, "default": 0},
        "since": {**_object(heard), "description": "What was heard last, to go on from there."},
    }
    told: dict[str, tuple[str, Schema, tuple[str, ...]]] = {
        "subscribe": ("Listen to these too.", subscribe, ("symbols",)),
        "unsubscribe": ("Listen to these no more; without symbols, to none.", topics, ()),
        "ping": ("Ask whether the server lives.", {}, ()),
        "get_stats": ("Ask for figures.", {}, ()),
        "list": ("Ask what is listened to.", {}, ()),
        "auth": ("Show a key, where the handshake showed none.", {"key": _TEXT}, ("key",)),
    }
    return tuple(
        Message(
            action,
            told[action][0],
            _object(
                {"action": {"const": action}, **told[action][1], "id": {**_ID, "maxLength": 128}},
                required=("action", *told[action][2]),
            ),
        )
        for action in ACTIONS
    )


# -- shapes -----------------------------------------------------------------------------------


def _object(properties: Schema, *, required: tuple[str, ...] | None = None) -> Schema:
    must = list(properties if required is None else required)
    return {"type": "object", "properties": properties, **({"required": must} if must else {})}


def _message(
    name: str, summary: str, properties: Schema, *, optional: tuple[str, ...] = ()
) -> Message:
    told = {"type": {"const": name}, **properties}
    required = tuple(key for key in told if key not in optional)
    return Message(name, summary, _object(told, required=required))


def _answer(
    name: str, summary: str, properties: Schema, *, optional: tuple[str, ...] = ()
) -> Message:
    """A message that carries the ``id`` of what it answers, if that had one."""
    return _message(name, summary, {**properties, "id": _ID}, optional=(*optional, "id"))


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
