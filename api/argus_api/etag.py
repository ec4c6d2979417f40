"""Entity tags over the data part of an answer, so that a repeated question costs no body."""

from __future__ import annotations

import re
from hashlib import blake2b

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def etag_of(data: bytes, form: str = "") -> str:
    """A strong tag of ``data`` in the format ``form``."""
    return f'"{blake2b(data, digest_size=16, person=form.encode()[:16]).hexdigest()}"'


def matches(header: str | None, etag: str) -> bool:
    """True if an ``If-None-Match`` header names ``etag``, compared weakly, or is ``*``."""
    if header is None:
        return False
    return header.strip() == "*" or etag in _TAG.findall(header)
