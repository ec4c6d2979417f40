"""``argus reload``: a running server reads its configuration anew."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from argus_cli.console import output, table
from argus_cli.options import DEFAULT_CONFIG, ConfigOption
from argus_cli.trouble import tell, told

PATH = "/api/v1/admin/reload"
SECONDS = 120.0
"""How long a reload may take: new sources are opened, each within a minute."""
COLUMNS = ("added", "removed", "changed", "kept", "needs_restart", "ignored")


def reload(
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    url: Annotated[
        str | None, typer.Option(help="The server's address; what the file says if absent.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            envvar="ARGUS_API_KEY",
            help="A key with the scope `manage`, where one is needed; better in ARGUS_API_KEY.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Put the edited configuration into force without dropping a request."""
    with told():
        body = _asked((url or _address(config)).rstrip("/") + PATH, key)
    report = body["data"]
    rows = [
        (column.replace("_", " "), name)
        for column in COLUMNS
        for name in report.get(column) or ()
        if column != "kept"
    ]
    console = output()
    console.print(table(("what", "table"), rows, wrapping=("table",)))
    kept = report.get("kept") or ()
    console.print(f"{len(kept)} kept as they were" + (f": {', '.join(kept)}" if kept else ""))


def _address(config: Any) -> str:
    """Where the server of this configuration file listens."""
    from argus_cli.listening import url_of
    from argus_core.config import Config

    server = Config.load(config, os.environ).server
    return url_of(server.host, server.port)


def _asked(url: str, key: str | None) -> dict[str, Any]:
    """The server's answer; exits with 1, and its reason told, if it refuses."""
    from urllib.error import HTTPError, URLError
    from urllib.request import ProxyHandler, Request, build_opener

    import orjson

    from argus_core.errors import ConfigError

    headers = {"X-API-Key": key} if key else {}
    try:
        # No proxy: this is a question to one's own machine or network.
        opener = build_opener(ProxyHandler({}))
        request = Request(url, method="POST", headers=headers)  # noqa: S310 - the operator's own
        with opener.open(request, timeout=SECONDS) as reply:
            answer: dict[str, Any] = orjson.loads(reply.read())
            return answer
    except HTTPError as refusal:
        _refused(refusal.read(), refusal.code)
        raise typer.Exit(1) from None
    except (URLError, OSError, ValueError) as error:
        raise ConfigError(
            f"no server answers at {url}: {getattr(error, 'reason', error)}",
            where="--url, or [server] host and port",
            fix="start it with `argus serve`, or name its address with --url",
        ) from None


def _refused(body: bytes, status: int) -> None:
    import orjson

    try:
        error: dict[str, Any] = orjson.loads(body)["error"]
        details: dict[str, str] = error.get("details") or {}
        tell(error["message"], where=details.get("where", ""), fix=details.get("fix", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        tell(f"the server answered with {status}", fix="is it an Argus? name it with --url")
