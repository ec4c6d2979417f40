"""Plugins that break what every plugin keeps."""

from __future__ import annotations

import asyncio
import logging
import threading

from broken import calling, loud, misspelt, prying
from broken.good_source import GoodSource
from broken.twin import Twin
from pydantic import BaseModel

from argus_core import ArgusError

log = logging.getLogger(__name__)
FOREVER = threading.Event()


class TakesAnything(GoodSource):
    class Settings(BaseModel):
        token: str = ""


class SharedList(GoodSource):
    asked: list[str] = []  # noqa: RUF012 - that is what is wrong with it

    async def quotes(self, query):
        self.asked.extend(query.symbols)
        return await super().quotes(query)


class ClosesOnce(GoodSource):
    async def open(self):
        self.session = object()

    async def close(self):
        del self.session


class TokenInRepr(GoodSource):
    def __repr__(self) -> str:
        return f"<source of {self.settings.token.get_secret_value()}>"


class TokenInLog(GoodSource):
    async def open(self):
        log.debug("signing in with %s", self.settings.token.get_secret_value())


class PlainToken(GoodSource):
    """Its secret stands in the texts of its errors."""

    def spoil(self):
        try:
            super().spoil()
        except ArgusError as error:
            raise type(error)(f"{error}: {self.settings.token.get_secret_value()}") from None


class LeavesThread(GoodSource):
    async def open(self):
        threading.Thread(target=FOREVER.wait, args=(30,), daemon=True, name="left").start()


class LeavesTask(GoodSource):
    async def open(self):
        self.left = asyncio.create_task(asyncio.sleep(30))


TWINS = (
    Twin("PLG-01", loud.Loud),
    Twin("PLG-01", calling.Calling),
    Twin("PLG-02", misspelt.__name__),
    Twin("PLG-03", prying.Prying),
    Twin("PLG-04", TakesAnything),
    Twin("PLG-05", SharedList),
    Twin("PLG-06", ClosesOnce),
    Twin("PLG-07", TokenInRepr),
    Twin("PLG-07", TokenInLog),
    Twin("PLG-07", PlainToken),
    Twin("PLG-08", LeavesThread),
    Twin("PLG-08", LeavesTask),
)
