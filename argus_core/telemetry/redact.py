"""Text with every known secret masked, for whatever leaves the process."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"
LONGEST = 300
"""Characters of a foreign message that are kept."""

_SHORTEST = 4
_TOKEN_LIKE = re.compile(r"(?=[\w-]*[0-9])(?=[\w-]*[A-Za-z])[\w-]{20,}")
_PASSWORD = re.compile(r"(?<=://)[^/?#\s@]*:[^/?#\s]*@")


class Redactor(logging.Filter):
    """Masks the secrets it was told. Also a logging filter that masks whole records."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these too from now on."""
        # Very short "secrets" would mask half of every sentence and protect nothing.
        long_enough = [secret for secret in secrets if len(secret) >= _SHORTEST]
        self._known |= {form for s in long_enough for form in (s, quote(s, safe=""))}
        ordered = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """The text with every secret replaced by ``***``."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def foreign(self, text: str) -> str:
        """A plugin's own message, fit for an answer: cut short, nothing in it looks like a token.

        A vendor's text may hold a session token or a URL's password that Argus was never told.
        """
        text = _PASSWORD.sub(MASK + "@", self.text(text))
        return _TOKEN_LIKE.sub(MASK, text)[:LONGEST]

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: the record passes, its message, arguments and traceback masked."""
        if self._pattern is not None:
            record.msg = self.text(record.getMessage())
            record.args = None
            if record.exc_info and record.exc_text is None:
                record.exc_text = logging.Formatter().formatException(record.exc_info)
            if record.exc_text:
                record.exc_text = self.text(record.exc_text)
        return True
