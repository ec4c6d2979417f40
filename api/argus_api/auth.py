"""Who may read data: the dependency of every route that serves any."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr
from starlette.requests import Request

from argus_api.query import CREDENTIAL_NAMES
from argus_api.terms import gateway_of
from argus_core import BadParameter, Presented, Principal
from argus_core.errors import Forbidden

DATA = "data"

_api_key = APIKeyHeader(
    name="X-API-Key", scheme_name="ApiKey", auto_error=False, description="An Argus API key."
)
_bearer = HTTPBearer(
    scheme_name="Bearer", auto_error=False, description="The same key, or another bearer token."
)


async def principal_of(
    request: Request,
    api_key: Annotated[str | None, Security(_api_key)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Principal:
    """Who asks; raises :class:`BadCredentials` if nobody vouches for the credentials."""
    for name in request.query_params:
        if name.lower() in CREDENTIAL_NAMES:
            raise BadParameter(
                f"{name} must not stand in a URL, where logs keep it; "
                "send the X-API-Key or the Authorization header",
                details={"parameter": name},
            )
    presented = Presented(
        api_key=SecretStr(api_key) if api_key else None,
        bearer=SecretStr(bearer.credentials) if bearer and bearer.credentials else None,
        client=request.client.host if request.client else None,
    )
    return await gateway_of(request).authenticate(presented)


async def reads_data(principal: Annotated[Principal, Depends(principal_of)]) -> None:
    """Pass if the principal may read data; raises :class:`Forbidden` if not."""
    if DATA not in principal.scopes:
        raise Forbidden(f"this needs the scope {DATA!r}", details={"scope": DATA})
