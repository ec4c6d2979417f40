"""Entity tags over the data part of an answer, so that a repeated question costs no body.

The tags are weak: the same data travel gzipped or not, beside another time stamp and trace.
"""

from __future__ import annotations

import re
from hashlib import blake2b

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def etag_of(data: bytes, form: str = "") -> str:
    """A weak tag of ``data`` in the format ``form``."""
    return f'W/"{blake2b(data, digest_size=16, person=form.encode()[:16]).hexdigest()}"'


def matches(header: str | None, etag: str) -> bool:
    """True if an ``If-None-Match`` header names ``etag``, compared weakly, or is ``*``."""
    if header is None:
        return False
    return header.strip() == "*" or etag.removeprefix("W/") in _TAG.findall(header)
