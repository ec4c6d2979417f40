"""What a worker says to people: its log and its stderr, in the gateway's log, free of secrets."""

from __future__ import annotations

import codecs
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Iterable

from argus_core.telemetry.redact import MASK, Redactor

LAST = 40
"""Lines of stderr that are told again when a worker dies."""
A_SECOND = 200
"""Lines that may reach the log in one second; the others are counted."""
LONGEST_LINE = 65536
"""Characters after which a line is taken as ended."""

_SHORTEST_SPLIT = 8
_BREAK = r"(?:\r?\n[ \t]*)?"


class Hush:
    """Masks secrets, also those that a line break splits."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = list(secrets)
        self._redactor = Redactor(known)
        long = sorted((s for s in known if len(s) >= _SHORTEST_SPLIT), key=len, reverse=True)
        patterns = (_BREAK.join(map(re.escape, secret)) for secret in long)
        self._split = re.compile("|".join(patterns)) if long else None

    def text(self, text: str) -> str:
        """The text without any secret."""
        if self._split is not None:
            text = self._split.sub(MASK, text)
        return self._redactor.text(text)


class Words:
    """Takes what one worker says and logs it as ``argus.worker.NAME``, so much a second."""

    def __init__(self, name: str, secrets: Iterable[str]) -> None:
        self._hush = Hush(secrets)
        self._log = logging.getLogger(f"argus.worker.{name}")
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self._last: deque[str] = deque(maxlen=LAST)
        self._lock = threading.Lock()
        self._second = 0.0
        self._lines = 0
        self._lost = 0

    @property
    def level(self) -> int:
        """The lowest level that reaches the log."""
        return self._log.getEffectiveLevel()

    @property
    def last(self) -> str:
        """The last lines of stderr."""
        return "\n".join(self._last)

    def record(self, level: int, logger: str, text: str) -> None:
        """Log what the worker's own logging said."""
        self._say(level, f"{logger}: {self._hush.text(text)}")

    def stderr(self, data: bytes) -> None:
        """Take what came from stderr; its whole lines are logged, nothing (``b""``) ends it."""
        text = self._rest + self._decoder.decode(data, final=not data)
        whole, line_end, self._rest = text.rpartition("\n")
        if not data or len(self._rest) > LONGEST_LINE:
            whole, line_end, self._rest = whole + line_end + self._rest, "", ""
        # Masked in one piece: a secret may lie across lines.
        for line in self._hush.text(whole).splitlines():
            if line.strip():
                self._last.append(line)
                self._say(logging.INFO, line)

    def _say(self, level: int, text: str) -> None:
        with self._lock:
            now = time.monotonic()
            if now - self._second >= 1.0:
                self._second, self._lines, lost, self._lost = now, 0, self._lost, 0
                if lost:
                    self._log.warning("%d lines were left out", lost)
            self._lines += 1
            if self._lines > A_SECOND:
                self._lost += 1
                return
        self._log.log(level, "%s", text)
