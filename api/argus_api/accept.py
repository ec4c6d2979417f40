"""Content negotiation: what a client's ``Accept…`` header says about each thing on offer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def weights_of(header: str) -> dict[str, float]:
    """The quality (0 to 1) of each entry of an ``Accept`` or ``Accept-Encoding`` header."""
    weights: dict[str, float] = {}
    for entry in header.split(","):
        name, *params = (part.strip().lower() for part in entry.split(";"))
        if name:
            weights[name] = _quality(params)
    return weights


def best(header: str, offers: Sequence[str]) -> str | None:
    """The offered media type that the client likes most; the earlier one of equals.

    ``None`` if it accepts none of them. The most specific range speaks for a type.
    """
    weights = weights_of(header)
    quality, _, offer = max(
        (_weight(weights, offer), -place, offer) for place, offer in enumerate(offers)
    )
    return offer if quality > 0 else None


def takes_gzip(header: str) -> bool:
    """True if a body may be sent gzipped."""
    weights = weights_of(header)
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _weight(weights: dict[str, float], offer: str) -> float:
    group = offer.partition("/")[0]
    for pattern in (offer, f"{group}/*", "*/*"):
        if pattern in weights:
            return weights[pattern]
    return 0.0


def _quality(params: Iterable[str]) -> float:
    for param in params:
        name, _, value = param.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
