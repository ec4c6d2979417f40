"""The documentation, which works without internet: every asset is shipped."""

from __future__ import annotations

from importlib.resources import files
from typing import cast

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from argus_api.envelope import JSON, encoded
from argus_api.stream import Audience
from argus_api.stream.asyncapi import document

ASSETS = "/docs-assets"

_HEADERS = {
    # Whatever the shipped scripts would like to fetch elsewhere stays unfetched.
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
        "script-src 'self' 'unsafe-inline'; worker-src 'self' blob:; frame-ancestors 'none'"
    )
}


def add_docs(app: FastAPI) -> None:
    """Serve Swagger UI at /docs, ReDoc at /redoc, and what AsyncAPI says at /asyncapi.json."""
    app.mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")))
    app.add_api_route("/docs", _swagger, include_in_schema=False)
    app.add_api_route("/redoc", _redoc, include_in_schema=False)
    app.add_api_route("/asyncapi.json", _asyncapi, include_in_schema=False)


async def _swagger(request: Request) -> HTMLResponse:
    root = _root(request)
    page = get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="Argus",
        swagger_js_url=f"{root}{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{root}{ASSETS}/favicon.png",
        # Swagger UI would otherwise ask a validator on the internet for a badge.
        swagger_ui_parameters={"validatorUrl": None, "displayRequestDuration": True},
    )
    return HTMLResponse(page.body, headers=_HEADERS)


async def _redoc(request: Request) -> HTMLResponse:
    root = _root(request)
    page = get_redoc_html(
        openapi_url=f"{root}/openapi.json",
        title="Argus",
        redoc_js_url=f"{root}{ASSETS}/redoc.standalone.js",
        redoc_favicon_url=f"{root}{ASSETS}/favicon.png",
        with_google_fonts=False,
    )
    return HTMLResponse(page.body, headers=_HEADERS)


async def _asyncapi(request: Request) -> Response:
    secure = request.url.scheme == "https"
    audience = cast("Audience", request.app.state.audience)
    told = document(audience, host=request.url.netloc, secure=secure, root=_root(request))
    # It names the host that the client asked for: nobody else shall get it from a cache.
    return Response(encoded(told), headers={"Cache-Control": "no-store"}, media_type=JSON)


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")
