"""What can go wrong, grouped by what the gateway does next.

::

    ArgusError
    ├── CallerError            the question is at fault: answered at once, never fails over
    │   ├── BadParameter       400 INVALID_PARAMETER
    │   │   └── MissingParameter   400 MISSING_PARAMETER
    │   ├── BeyondHorizon      400 BEYOND_HORIZON
    │   ├── BadCredentials     401 UNAUTHORIZED
    │   ├── Forbidden          403 FORBIDDEN
    │   ├── UnknownSymbol      404 NOT_FOUND
    │   ├── TooLarge           413 PAYLOAD_TOO_LARGE
    │   ├── NotOffered         501 NOT_SUPPORTED
    │   └── Loop               508 LOOP_DETECTED
    ├── SourceError            one source is at fault: the next one is asked, this one cools down
    │   ├── SourceUnavailable  refused, reset, 5xx
    │   ├── SourceTimeout      no answer within the attempt's time
    │   ├── Throttled          the vendor says "too fast"
    │   ├── PermissionDenied   the account may not read this dataset
    │   ├── LoginFailed        the account itself is refused
    │   ├── Preparing          the vendor is fetching it: 503 PREPARING
    │   └── BadData            an answer that cannot be true
    │       └── Disproved      its own numbers contradict each other: quarantined
    ├── GatewayError           every source that could answer has failed
    │   ├── AllSourcesFailed   503 SERVICE_UNAVAILABLE
    │   ├── NotReady           503 PREPARING
    │   ├── Overloaded         503 SERVICE_UNAVAILABLE: refused before any work
    │   └── DeadlineExceeded   504 TIMEOUT
    ├── CacheError             a cache is at fault: logged, treated as a miss
    └── ConfigError            start-up stops and says what, where and how to mend it
        └── PluginError        the same, about one plugin

Each class carries its own policy, so the router never asks for a class by name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

A_DAY = 86400.0
"""The longest that a vendor's word may keep a source from being asked, in seconds."""


class ArgusError(Exception):
    """The root of everything that Argus raises on purpose."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, details: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class CallerError(ArgusError):
    """The question is at fault; no source is asked twice and none is blamed."""

    code = "INVALID_PARAMETER"
    status = 400


class BadParameter(CallerError):
    """A parameter has a value that Argus cannot use; the message names it and what is allowed."""


class MissingParameter(BadParameter):
    """A required parameter is absent."""

    code = "MISSING_PARAMETER"


class BeyondHorizon(CallerError):
    """The range reaches beyond the last date that any calendar at hand knows."""

    code = "BEYOND_HORIZON"


class BadCredentials(CallerError):
    """The credentials are absent, wrong, expired or revoked: one message for all of these."""

    code = "UNAUTHORIZED"
    status = 401


class Forbidden(CallerError):
    """The principal is known but lacks the scope."""

    code = "FORBIDDEN"
    status = 403


class UnknownSymbol(CallerError):
    """An instrument table was read and does not hold the symbol."""

    code = "NOT_FOUND"
    status = 404


class TooLarge(CallerError):
    """More was asked for in one request than the contract allows."""

    code = "PAYLOAD_TOO_LARGE"
    status = 413


class Loop(CallerError):
    """The question has come back to a gateway that is asking it, or through too many of them."""

    code = "LOOP_DETECTED"
    status = 508


class NotOffered(CallerError):
    """No source of the route can answer this kind of question.

    A source raises it for a question beyond its abilities (a period, a market); the router then
    asks the next source and blames nobody.
    """

    code = "NOT_SUPPORTED"
    status = 501


class SourceError(ArgusError):
    """One source failed. The class says how the router treats it.

    ``retry``: the same source may be asked again within this request.
    ``cool_down``: seconds for which the source is passed over afterwards.
    ``whole_node``: the cool-down covers every dataset of the source, not only the one asked for.
    ``last_resort``: a cooling source may still be asked when no other is left.
    ``preparing``: no failure; the source is at work on the answer and keeps its good name.
    ``blame``: false where nobody is at fault: no failure is counted and nothing cools down.
    ``strain``: the source could not keep up, so its pool makes fewer calls at once.
    ``unwell``: it counts against the node's health; many of them eject the node.
    """

    code = "SERVICE_UNAVAILABLE"
    status = 503
    retry: ClassVar[bool] = False
    cool_down: ClassVar[float] = 10.0
    whole_node: ClassVar[bool] = False
    last_resort: ClassVar[bool] = True
    preparing: ClassVar[bool] = False
    blame: ClassVar[bool] = True
    strain: ClassVar[bool] = False
    unwell: ClassVar[bool] = True

    def __init__(
        self, message: str, *, retry_after: float | None = None, details: Any = None
    ) -> None:
        super().__init__(message, details=details)
        usable = retry_after is not None and 0 <= retry_after < math.inf
        self.retry_after = min(retry_after, A_DAY) if usable and retry_after is not None else None

    @property
    def cool_seconds(self) -> float:
        """Seconds to pass the source over: what the vendor said, else what the class says."""
        return self.cool_down if self.retry_after is None else self.retry_after


class SourceUnavailable(SourceError):
    """The vendor cannot be reached, or answers with an error of its own (5xx)."""

    retry = True
    cool_down = 5.0
    whole_node = True


class SourceTimeout(SourceError):
    """The vendor did not answer within the attempt's share of the deadline."""

    code = "TIMEOUT"
    status = 504
    cool_down = 10.0
    whole_node = True
    strain = True


class Throttled(SourceError):
    """The vendor refuses because of a rate or quota; ``retry_after`` says for how long."""

    code = "RATE_LIMIT_EXCEEDED"
    cool_down = 60.0
    last_resort = False
    strain = True
    unwell = False


class PermissionDenied(SourceError):
    """The account is not entitled to this dataset; asking again soon is pointless."""

    code = "FORBIDDEN"
    cool_down = 3600.0
    last_resort = False
    unwell = False


class LoginFailed(SourceError):
    """The vendor refuses the account: wrong or expired token, session lost."""

    code = "UNAUTHORIZED"
    cool_down = 300.0
    whole_node = True
    last_resort = False


class Preparing(SourceError):
    """The vendor is still fetching what was asked for; ask again in ``retry_after`` seconds.

    No failure: the source keeps its good name, other sources are asked meanwhile.
    """

    code = "PREPARING"
    cool_down = 5.0
    preparing = True
    blame = False
    unwell = False


class BadData(SourceError):
    """The vendor answered, but the answer is garbage, truncated or contradicts itself."""

    code = "BAD_DATA"
    cool_down = 30.0


class Disproved(BadData):
    """The numbers disprove each other, as when a volume's unit flips.

    What they speak of is quarantined at this source until the cool-down is over.
    """

    cool_down = 600.0
    last_resort = False
    unwell = False


class GatewayError(ArgusError):
    """No source could answer. ``attempts`` tells what was tried, free of vendor text."""

    code = "SERVICE_UNAVAILABLE"
    status = 503

    def __init__(
        self,
        message: str,
        *,
        attempts: Sequence[Any] = (),
        retry_after: float | None = None,
        details: Any = None,
    ) -> None:
        super().__init__(message, details=details)
        self.attempts = tuple(attempts)
        self.retry_after = retry_after


class AllSourcesFailed(GatewayError):
    """Every source of the route was tried or is cooling down."""


class NotReady(GatewayError):
    """No source has it yet, and one of them is fetching it: ask again after ``retry_after``."""

    code = "PREPARING"


class Overloaded(GatewayError):
    """Too many requests are under way already; ``retry_after`` says when to come again."""


class DeadlineExceeded(GatewayError):
    """The request's own deadline passed before a source answered."""

    code = "TIMEOUT"
    status = 504


class CacheError(ArgusError):
    """A cache tier failed. On the way to an answer it counts as a miss."""

    code = "CACHE_ERROR"


class ConfigError(ArgusError):
    """The configuration cannot be used.

    ``where`` names the file and the table or key, ``fix`` what to do about it.
    """

    def __init__(self, message: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        parts = [self.message]
        if self.where:
            parts.append(f"where: {self.where}")
        if self.fix:
            parts.append(f"fix: {self.fix}")
        return "\n  ".join(parts)


class PluginError(ConfigError):
    """A plugin that the configuration asks for cannot be used."""
