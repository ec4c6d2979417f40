"""Bodies and headers of data answers: v1's envelope, and plain bodies for the legacy dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from argus_api.errors import failed_batch
from argus_api.etag import etag_of, matches
from argus_api.provenance import explanation, failures, headers_of, meta_of
from argus_api.terms import gateway_of
from argus_api.wire import instant
from argus_core.errors import ArgusError
from argus_core.model.answer import Answer, Failure
from argus_core.model.ask import Ask

JSON = "application/json"


def encoded(value: Any) -> bytes:
    """``value`` as JSON."""
    return orjson.dumps(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer on its way out. ``errors`` holds what could not even be asked."""

    request: Request
    ask: Ask
    answer: Answer[Any]
    errors: Mapping[str, Failure] = field(default_factory=dict[str, Failure])

    @property
    def failures(self) -> dict[str, Failure]:
        """Why symbols have no value: those that could not be read, then the gateway's."""
        return {**self.errors, **self.answer.errors}

    def checked(self) -> Reply:
        """Itself; raises where nothing was answered and the reasons make that an error."""
        if not self.answer.data:
            error: ArgusError | None = failed_batch(self.failures)
            if error is not None:
                raise error
        return self

    def meta(self) -> dict[str, Any]:
        """The ``meta`` object of this answer."""
        gateway = gateway_of(self.request)
        return meta_of(self.answer, self.ask, gateway.clock.now(), inner=gateway.config.inner)

    def enveloped(
        self,
        data: bytes,
        *,
        extra: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        explain: bool = False,
        vary: str | None = None,
        form: str = "v1",
    ) -> Response:
        """The v1 envelope around the encoded ``data``, with the keys of ``extra`` after it."""
        headers = self.headers(etag_of(data, form), vary)
        if self._known(headers):
            return Response(status_code=304, headers=headers)
        now = gateway_of(self.request).clock.now()
        body: dict[str, Any] = {"success": True, "data": orjson.Fragment(data)}
        if extra:
            body.update(extra)
        body["meta"] = {**self.meta(), **(meta or {})}
        if lost := self.failures:
            body["errors"] = failures(lost)
        if explain:
            body["explain"] = explanation(self.answer)
        body["timestamp"] = instant(now.replace(microsecond=0))
        return Response(orjson.dumps(body), media_type=JSON, headers=headers)

    def plain(self, body: bytes) -> Response:
        """``body`` as it is, with the headers of a data answer."""
        headers = self.headers(etag_of(body, "legacy"))
        if self._known(headers):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=JSON, headers=headers)

    def headers(self, etag: str, vary: str | None = None) -> dict[str, str]:
        """The headers of this answer."""
        gateway = gateway_of(self.request)
        caching = bool(gateway.config.caches)
        headers = headers_of(self.answer, self.ask, gateway.clock.now(), caching=caching)
        headers["ETag"] = etag
        if vary:
            headers["Vary"] = vary
        return headers

    def _known(self, headers: Mapping[str, str]) -> bool:
        return matches(self.request.headers.get("if-none-match"), headers["ETag"])
