"""Scripts of other people's web pages, to whom a browser would lend its place in the network."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing, and whose answers no browser shows to such a script."""

_PORTS = {"http": "80", "https": "443"}
_OWN = frozenset({"same-origin", "none"})


def is_strange(headers: Mapping[str, str], allowed: Collection[str]) -> bool:
    """True if a script of a page sends this that is neither ours nor ``allowed``.

    Browsers say by themselves whose script it is; programs, which say nothing, are no strangers.
    What the browser judged itself goes first: a proxy in front of us may have changed the host.
    """
    origin = headers.get("origin")
    if origin in allowed:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in _OWN
    if origin is None:
        return False
    try:
        page = urlsplit(origin)
        usual = f":{_PORTS.get(page.scheme, '')}"  # browsers leave it out, some proxies do not
        return page.netloc.removesuffix(usual) != headers.get("host", "").removesuffix(usual)
    except ValueError:  # it is no address at all
        return True
