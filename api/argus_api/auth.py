"""Who may read data, and who may operate: the dependencies of the routes that need either."""

from __future__ import annotations

from pydantic import SecretStr
from starlette.requests import HTTPConnection, Request

from argus_api.terms import gateway_of
from argus_core import BadCredentials, BadParameter, Presented, Principal
from argus_core.errors import Forbidden
from argus_core.model.request import amend

DATA = "data"
MANAGE = "manage"
VOUCHED = "argus.vouched"
"""The key of an ASGI scope under which stands who asks, where another process has judged it."""

SECURITY_SCHEMES = {
    "ApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An Argus API key.",
    },
    "Bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The same key, or another bearer token.",
    },
}
"""How OpenAPI describes the two headers; a nested FastAPI dependency for each costs more than
everything else that a cached answer needs."""
EITHER_SCHEME = [{name: list[str]()} for name in SECURITY_SCHEMES]

_IN_URLS = frozenset({"api_key", "apikey", "key", "token", "access_token", "x-api-key"})
"""Names under which people put keys into URLs, where logs and proxies would keep them."""

_NOTHING_SHOWN = "a key is required: send it as X-API-Key: … or as Authorization: Bearer …"


async def reads_data(request: Request) -> None:
    """Pass if the asker may read data.

    Raises :class:`BadCredentials` if nobody vouches for the asker, :class:`Forbidden` if the
    scope is missing, :class:`BadParameter` for a key in the URL.
    """
    await _has(DATA, request)


async def operates(request: Request) -> None:
    """Pass if the asker may change how Argus works; raises as :func:`reads_data` does."""
    await _has(MANAGE, request)


async def asker_of(request: Request) -> Principal:
    """Who asks, whatever they may do; raises as :func:`reads_data` does for who is nobody."""
    refuse_keys_in_url(request)
    return await _principal(request)


async def _has(scope: str, request: Request) -> None:
    principal = await asker_of(request)
    if scope not in principal.scopes:
        raise Forbidden(f"this needs the scope {scope!r}", details={"scope": scope})
    amend(client=principal.id)


async def _principal(request: Request) -> Principal:
    """Who asks. Only who shows nothing learns more from a refusal: where to put a key."""
    vouched = vouched_for(request)
    if vouched is not None:
        return vouched
    presented = presented_of(request)
    try:
        return await gateway_of(request).authenticate(presented)
    except BadCredentials:
        if presented.api_key is None and presented.bearer is None:
            raise BadCredentials(_NOTHING_SHOWN) from None
        raise


def vouched_for(request: HTTPConnection) -> Principal | None:
    """Who asks, where another process has judged that already."""
    vouched: Principal | None = request.scope.get(VOUCHED)
    return vouched


def presented_of(request: HTTPConnection) -> Presented:
    """What the headers of a request or of a handshake show."""
    api_key = request.headers.get("x-api-key")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return Presented(
        api_key=SecretStr(api_key) if api_key else None,
        bearer=SecretStr(bearer) if bearer else None,
        client=request.client.host if request.client else None,
    )


def refuse_keys_in_url(request: HTTPConnection) -> None:
    """Raise :class:`BadParameter` for a key in the URL, where logs and proxies would keep it."""
    for name in request.query_params:
        if name.lower() in _IN_URLS:
            raise BadParameter(
                f"{name} must not stand in a URL, where logs keep it; "
                "send the X-API-Key or the Authorization header",
                details={"parameter": name},
            )
