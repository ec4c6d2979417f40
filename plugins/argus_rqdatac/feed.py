"""What is subscribed, kept alive: a thread that reads, watches and joins again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from argus_core import (
    ArgusError,
    Clock,
    Gap,
    Push,
    SourceTimeout,
    SourceUnavailable,
    Symbol,
    Throttled,
)
from argus_rqdatac.hours import trades_now
from argus_rqdatac.live import QUOTA_CLOSE, Closed, Socket
from argus_rqdatac.quota import Quota
from argus_rqdatac.quotes import read_push

logger = logging.getLogger(__name__)

_PULSE = 0.5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_CHANNEL = "tick_"


class Feed:
    """The live pushes of one source. Its thread lives from the first subscription to the end.

    ``join`` logs in at the live server. Each book goes to the subscriber's ``push``, and a
    :class:`Gap` after every loss, since the server sends nothing again.
    """

    def __init__(
        self,
        name: str,
        join: Callable[[], Socket],
        quota: Quota,
        clock: Clock,
        *,
        silence: float,
        timeout: float,
    ) -> None:
        self._name = name
        self._join = join
        self._quota = quota
        self._clock = clock
        self._silence = silence
        self._timeout = timeout
        self._changed = threading.Condition()
        self._wanted: dict[str, Symbol] = {}
        self._accepted: set[str] = set()
        self._push: Push | None = None
        self._socket: Socket | None = None
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._last: datetime | None = None
        self._lost: str | None = None
        self._error: ArgusError | None = None
        self.reconnects = 0

    def subscribe(self, codes: Mapping[str, Symbol], push: Push) -> None:
        """Return when the server has accepted these ids; raises what keeps it from doing so."""
        self._quota.check()
        with self._changed:
            new = {code: symbol for code, symbol in codes.items() if code not in self._wanted}
            self._wanted |= new
            self._push = push
            socket = self._socket
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name=f"{self._name} feed", daemon=True
                )
                self._thread.start()
        try:
            if socket is not None and new:
                socket.subscribe(_channels(new))
            self._await(set(codes))
        except ArgusError:
            with self._changed:
                for code in new:
                    self._wanted.pop(code, None)
            raise

    def unsubscribe(self, codes: Iterable[str]) -> None:
        """Push these ids no more; unknown ones are no error."""
        with self._changed:
            gone = [code for code in codes if self._wanted.pop(code, None) is not None]
            self._accepted.difference_update(gone)
            socket = self._socket
        if socket is not None and gone:
            socket.unsubscribe(_channels(gone))

    def close(self) -> None:
        """End the thread; safe to call twice."""
        self._ended.set()
        with self._changed:
            socket, thread, self._thread = self._socket, self._thread, None
            self._changed.notify_all()
        if socket is not None:
            socket.close()
        if thread is not None and thread is not threading.current_thread():
            thread.join(self._timeout)

    def report(self) -> dict[str, str | int | bool | None]:
        """What operators see of the feed."""
        with self._changed:
            return {
                "feed_connected": self._socket is not None,
                "feed_subscriptions": len(self._accepted),
                "feed_reconnects": self.reconnects,
                "feed_error": None if self._error is None else self._error.message,
            }

    def _await(self, codes: set[str]) -> None:
        """Return when all ``codes`` are accepted."""
        with self._changed:
            self._changed.wait_for(
                lambda: codes <= self._accepted or self._error or self._ended.is_set(),
                self._timeout,
            )
            if codes <= self._accepted:
                return
            if self._error is not None:
                raise self._error
        raise SourceTimeout(f"{self._name}: the live server does not accept the subscription")

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._ended.is_set():
            try:
                socket = self._begin()
            except Exception as error:  # noqa: BLE001 - the thread must outlive whatever it is
                self._failed(_told(error))
                self._ended.wait(self._rest(pause))
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            self._listen_on(socket)
            self._ended.wait(self._rest(pause))

    def _rest(self, pause: float) -> float:
        """Seconds until the next attempt; the quota may be looked at again before it is back."""
        return min(max(pause, self._quota.paused), _LONGEST_PAUSE)

    def _begin(self) -> Socket:
        """Log in and ask for everything that is wanted."""
        self._quota.check()
        socket = self._join()
        with self._changed:
            self._socket = socket
            self._error = None
            channels = _channels(self._wanted)
        if self._ended.is_set():
            socket.close()
            raise SourceUnavailable("the source is closed")
        if channels:
            try:
                socket.subscribe(channels)
            except ArgusError:
                self._leave(socket)
                raise
        return socket

    def _listen_on(self, socket: Socket) -> None:
        """Pass on what comes until the connection is lost; note why, and leave."""
        try:
            self._lost_because(self._listen(socket))
        except Closed as closed:
            if closed.code == QUOTA_CLOSE:
                self._out_of_quota()
            else:
                self._lost_because("the connection to the live server was lost")
        except Exception:
            # What the vendor sends must not end the feed; what it was stands in the log.
            logger.exception("%s: the live feed stumbled", self._name)
            self._lost_because("the live feed stumbled")
        finally:
            self._leave(socket)

    def _listen(self, socket: Socket) -> str:
        heard = self._clock.monotonic()
        while not self._ended.is_set():
            message = socket.receive(_PULSE)
            now = self._clock.monotonic()
            if message is not None:
                heard = now
                self._take(message)
            elif not self._trading():
                heard = now
            elif now - heard > self._silence:
                return f"the live server was silent for {self._silence:g} seconds"
        return "the source is closed"

    def _take(self, message: Mapping[str, Any]) -> None:
        action = message.get("action")
        if action == "subscribe_reply":
            self._confirmed(message.get("subscribed") or ())
        elif action == "feed":
            self._pass_on(message)

    def _confirmed(self, channels: Iterable[str]) -> None:
        with self._changed:
            codes = {channel.removeprefix(_CHANNEL) for channel in channels}
            self._accepted |= codes & self._wanted.keys()
            symbols, since = tuple(self._wanted.values()), self._last
            lost, self._lost = self._lost, None
            self._changed.notify_all()
        if lost and symbols:
            self.reconnects += 1
            self._hand(Gap(symbols=symbols, reason=lost, since=since))

    def _pass_on(self, message: Mapping[str, Any]) -> None:
        code = str(message.get("order_book_id"))
        with self._changed:
            symbol = self._wanted.get(code)
            self._last = self._clock.now()
        if symbol is None or message.get("channel") != f"{_CHANNEL}{code}":
            return
        try:
            depth = read_push(message, symbol)
        except ArgusError as error:
            logger.warning("%s: a push about %s cannot be read: %s", self._name, symbol, error)
            return
        self._hand(depth)

    def _hand(self, item: Any) -> None:
        """Give an item to the subscriber, whose mistakes must not end the feed."""
        push = self._push
        if push is None:
            return
        try:
            push(item)
        except Exception:
            logger.exception("%s: a subscriber failed", self._name)

    def _out_of_quota(self) -> None:
        error: Throttled = self._quota.refused()
        self._failed(error)
        with self._changed:
            symbols, since = tuple(self._wanted.values()), self._last
        logger.error("%s: the live server ended the feed: the quota is used up", self._name)
        self._lost_because("the day's quota is used up")
        if symbols:
            self._hand(Gap(symbols=symbols, reason="the day's quota is used up", since=since))

    def _failed(self, error: ArgusError) -> None:
        with self._changed:
            before, self._error = self._error, error
            self._changed.notify_all()
        if before is None or before.message != error.message:
            logger.warning("%s: live feed: %s", self._name, error.message)

    def _lost_because(self, reason: str) -> None:
        with self._changed:
            if self._accepted and self._lost is None:
                self._lost = reason

    def _leave(self, socket: Socket) -> None:
        with self._changed:
            self._socket = None
            self._accepted.clear()
        socket.close()

    def _trading(self) -> bool:
        with self._changed:
            symbols = tuple(self._wanted.values())
        return trades_now(symbols, self._clock.now())


def _told(error: Exception) -> ArgusError:
    """The error itself if it is one of ours, else one that names its class."""
    if isinstance(error, ArgusError):
        return error
    return SourceUnavailable(f"the live feed cannot begin ({type(error).__name__})")


def _channels(codes: Iterable[str]) -> list[str]:
    return sorted(f"{_CHANNEL}{code}" for code in codes)
