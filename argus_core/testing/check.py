"""What a check is: a number, a demand, its reason, and a function that puts it to the proof."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn

from argus_core.testing.subject import Subject

Body = Callable[[Subject], Awaitable[None]]


class Failed(AssertionError):
    """A plugin does not keep a demand; the text says what to change."""


class Skipped(Exception):
    """A check does not apply to this plugin, or lacks what it needs; the text says which."""


@dataclass(frozen=True, slots=True)
class Check:
    """One numbered demand. Calling it with a subject returns, or raises Failed or Skipped."""

    id: str
    body: Body

    @property
    def name(self) -> str:
        """The check's name in words joined by hyphens: ``known-symbols``."""
        return self.body.__name__.replace("_", "-")

    @property
    def demand(self) -> str:
        """What the plugin must do, in a sentence."""
        return self._doc.partition("\n\n")[0].replace("\n", " ")

    @property
    def reason(self) -> str:
        """Why that is demanded, when it is skipped, and what usually breaks it."""
        return self._doc.partition("\n\n")[2]

    @property
    def _doc(self) -> str:
        return inspect.cleandoc(self.body.__doc__ or "")

    async def __call__(self, subject: Subject) -> None:
        """Return if ``subject`` keeps the demand."""
        await self.body(subject)


def check(number: str) -> Callable[[Body], Check]:
    """A decorator that makes a function the check of that number; its docstring is the demand."""
    return lambda body: Check(number, body)


def demand(kept: object, otherwise: str) -> None:
    """Return if ``kept``; :class:`Failed` with the text if not."""
    if not kept:
        raise Failed(otherwise)


def skip(reason: str) -> NoReturn:
    """End the check without a verdict."""
    raise Skipped(reason)
