"""Every question of one list, answered by every source on its own; run as a program per time zone.

``python -m support.truth plugins.toml QUESTIONS.json`` prints, as JSON, the bodies by source and
question; ``before`` a question the vendors' stand-ins may be steered. Each source gets a gateway
of its own in this process, the vendors' packages run in the workers that they ask for.
"""

import asyncio
import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import httpx
from support.process import PLAINLY

from argus_api import create_app
from argus_core.config import Config
from argus_core.gateway import Gateway


async def answered(config: Config, questions: list[dict]) -> list[Any]:
    """The status and body of each question."""
    app = create_app(Gateway(config))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://argus", timeout=60) as client,
    ):
        found = []
        for question in questions:
            for url, order in question.get("before", ()):
                async with httpx.AsyncClient(**PLAINLY) as steering:
                    (await steering.post(url, json=order, timeout=30)).raise_for_status()
            response = await client.get(
                question["path"], params=question["params"], headers={"X-Argus-Deadline": "60"}
            )
            found.append({"status": response.status_code, "body": response.json()})
        return found


async def main(sources: dict[str, dict], directory: Path, questions: list[dict]) -> None:
    """Answer from each source, one after another."""
    found = {}
    for name, source in sources.items():
        alone = Config.parse({"sources": {name: source}}, os.environ, directory=directory)
        found[name] = await answered(alone, questions)
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    file = Path(sys.argv[1])
    asked = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    asyncio.run(
        main(tomllib.loads(file.read_text(encoding="utf-8"))["sources"], file.parent, asked)
    )
