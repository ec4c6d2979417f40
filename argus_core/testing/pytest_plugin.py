"""``pytest --argus NAME``: the checks of an installed plugin, without a file of tests.

Only the collecting is here. The option itself stands in :mod:`argus_pytest`, which pytest loads in
every project of an environment and which therefore must cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, TypeVar

import pytest

from argus_core.errors import ArgusError
from argus_core.testing.check import Check
from argus_core.testing.configured import configured
from argus_core.testing.run import applicable, run_check
from argus_core.testing.subject import Subject
from argus_core.testing.suites import verdict


class PluginUnderTest(pytest.Collector):
    """The installed plugin that ``--argus`` names, as a place where tests come from."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item for each check that applies."""
        for one in applicable(self.subject):
            item = _child(CheckItem, self, name=f"{one.id} {one.name}")
            item.check = one
            yield item

    @cached_property
    def subject(self) -> Subject:
        """The plugin; a name that is not installed ends the run and says which are."""
        given = self.config.option
        symbols = (given.argus_symbols or "").split(",")
        try:
            return configured(
                given.argus,
                config=given.argus_config,
                symbols=[text for text in symbols if text.strip()],
            )
        except ArgusError as error:
            raise pytest.UsageError(str(error)) from None


class CheckItem(pytest.Item):
    """One check as a test."""

    check: Check

    def runtest(self) -> None:
        """Pass, fail or skip as the check does."""
        parent = self.parent
        assert isinstance(parent, PluginUnderTest)  # noqa: S101 - it made this item
        verdict(run_check(self.check, parent.subject))

    def reportinfo(self) -> tuple[Any, None, str]:
        """How the item is called in reports."""
        return self.path, None, self.name


N = TypeVar("N", bound=pytest.Item | pytest.Collector)


def _child(kind: type[N], parent: pytest.Collector, **facts: str) -> N:
    """A node below another; pytest leaves the types of the arguments open."""
    make: Any = getattr(kind, "from_parent")  # noqa: B009 - its own types are half unknown
    made: N = make(parent, **facts)
    return made


def collect(session: pytest.Session) -> None:
    """Give the session the items of the plugin under test, and nothing else."""
    name = f"argus:{session.config.option.argus}"
    place = _child(PluginUnderTest, session, name=name, nodeid=name)
    _ = place.subject  # trouble with the name or the settings ends the run here
    session.items = [*session.genitems(place)]
    session.config.hook.pytest_collection_modifyitems(
        session=session, config=session.config, items=session.items
    )
    session.config.hook.pytest_collection_finish(session=session)
    session.testscollected = len(session.items)
