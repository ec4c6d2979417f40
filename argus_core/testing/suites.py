"""The kit as test classes: subclass one, name the plugin, and pytest runs every check.

::

    class TestSina(SourceConformance):
        plugin = "sina"
        symbols = ("600519.SH", "000001.SZ")
        exempt = {"SRC-22": "the vendor dates no quote"}

Each check is one test, named by its number. Works with plain pytest.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from types import ModuleType
from typing import Any, ClassVar

from pydantic import BaseModel

from argus_core.clock import Clock
from argus_core.errors import PluginError
from argus_core.extend.authenticator import Presented
from argus_core.market.symbols import parse_symbol
from argus_core.model.symbol import Symbol
from argus_core.testing.check import Check, Failed
from argus_core.testing.checks import GROUPS
from argus_core.testing.find import Found, find
from argus_core.testing.report import Report, Row
from argus_core.testing.run import Tell, applicable, mistaken_exemptions, run, run_check
from argus_core.testing.subject import Fault, Subject

_WHERE = "the attributes of the test class"


class Conformance:
    """What all kits share. Set the class attributes, override a method where one is not enough.

    ``plugin`` is an entry point's name, a module with hooks, or the class itself. ``exempt`` maps
    numbers of checks to reasons.
    """

    kind: ClassVar[str] = ""
    plugin: ClassVar[str | ModuleType | type[Any]] = ""
    settings: ClassVar[Mapping[str, Any] | BaseModel] = {}
    symbols: ClassVar[Iterable[str]] = ()
    start: ClassVar[date | None] = None
    end: ClassVar[date | None] = None
    clock: ClassVar[Clock] = Clock()
    bound: ClassVar[int | None] = None
    shared: ClassVar[bool] = False
    exempt: ClassVar[Mapping[str, str]] = {}

    checks: ClassVar[tuple[Check, ...]] = ()
    """The checks that this class runs."""

    vendor: ClassVar[Any] = None
    """What :meth:`running` gave, while the tests of the class run."""

    _found: ClassVar[Found | None] = None
    _memo: ClassVar[dict[Any, Any]]
    _seen: ClassVar[dict[str, set[str]]]
    _stack: ClassVar[ExitStack]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._found, cls._memo, cls._seen, cls._stack = None, {}, {}, ExitStack()

    @classmethod
    @contextmanager
    def running(cls) -> Generator[Any]:
        """What the plugin talks to, started before the first check and stopped after the last.

        Override it to start a stand-in of the vendor; what is yielded becomes ``self.vendor``.
        """
        yield None

    def settings_for(self) -> Mapping[str, Any] | BaseModel:
        """The plugin's settings, secrets as plain text; by default ``settings``."""
        return self.settings

    def faults(self) -> Mapping[str, Fault]:
        """Context managers that make the vendor misbehave, by name.

        timeout, slow, disconnect, quota, no_permission, bad_token, garbage, empty.
        """
        return {}

    def credentials(self, authenticator: Any) -> Mapping[str, Presented]:
        """What people present: ``good``, ``wrong``, ``expired``, ``revoked``, ``foreign``."""
        del authenticator
        return {}

    def received(self) -> list[str]:
        """The texts that an alerter's peer has got."""
        raise NotImplementedError

    @contextmanager
    def feed(self) -> Generator[None]:
        """A vendor that pushes something of ``symbols``, for as long as the context lasts."""
        yield

    @classmethod
    def setup_class(cls) -> None:
        """Start what the plugin talks to (pytest calls it)."""
        cls.vendor = cls._stack.enter_context(cls.running())

    @classmethod
    def teardown_class(cls) -> None:
        """Stop it again (pytest calls it)."""
        cls._stack.close()

    def subject(self) -> Subject:
        """What the checks judge."""
        own, base = type(self), Conformance
        found = self._plugin()
        return Subject(
            plugin=found.name,
            kind=found.kind,
            cls=found.cls,
            module=found.module,
            settings=self.settings_for(),
            symbols=_symbols(self.symbols),
            start=_day("start", self.start),
            end=_day("end", self.end),
            clock=self.clock,
            faults=self.faults(),
            credentials=self.credentials if own.credentials is not base.credentials else None,
            feed=self.feed if own.feed is not base.feed else None,
            received=self.received if own.received is not base.received else None,
            bound=self.bound,
            shared=self.shared,
            memo=self._memo,
            seen=self._seen,
        )

    @classmethod
    def _plugin(cls) -> Found:
        """The plugin, looked up once: that reads the files of all installed ones."""
        cls._found = cls._found or find(cls.plugin, cls.kind)
        return cls._found

    @classmethod
    def report(cls, tell: Tell | None = None) -> Report:
        """The verdicts of all checks, without pytest; for a page or a matrix made of them."""
        cls.setup_class()
        try:
            return run(cls().subject(), exempt=cls.exempt, checks=cls.checks, tell=tell)
        finally:
            cls.teardown_class()

    def test_exemptions(self) -> None:
        """Every exemption names a check of this kind and gives a reason."""
        wrong = mistaken_exemptions(self.exempt, self.subject())
        if wrong:
            raise Failed("; ".join(wrong))


def _symbols(given: Iterable[str]) -> tuple[Symbol, ...]:
    """The symbols of a test class, in any usual spelling."""
    if isinstance(given, str):
        raise PluginError(
            f"symbols is the text {given!r}", where=_WHERE, fix=f'write symbols = ("{given}",)'
        )
    return tuple(map(parse_symbol, given))


def _day(name: str, given: Any) -> date | None:
    """A date of a test class."""
    if given is None or (isinstance(given, date) and not isinstance(given, datetime)):
        return given
    raise PluginError(
        f"{name} is {given!r}",
        where=_WHERE,
        fix=f"write {name} = date(2024, 1, 2), a datetime.date",
    )


def verdict(row: Row) -> None:
    """Return if the row's check passed; raise what pytest and unittest read as fail or skip."""
    __tracebackhide__ = True
    if row.verdict == "fail":
        raise Failed(f"{row.id} {row.name}: {row.why}\n  {row.demand}")
    if row.verdict == "skip":
        raise unittest.SkipTest(row.why)
    if row.verdict == "exempt":
        raise unittest.SkipTest(f"exempt: {row.why}")


def _test_of(one: Check) -> Callable[[Conformance], None]:
    """A test method that runs the check."""

    def test(self: Conformance) -> None:
        __tracebackhide__ = True
        subject = self.subject()
        if one not in applicable(subject):
            raise unittest.SkipTest("it does not push")
        verdict(run_check(one, subject, self.exempt))

    test.__name__ = f"test_{one.id.replace('-', '_')}_{one.body.__name__}"
    test.__doc__ = f"{one.demand}\n\n{one.reason}"
    return test


def _tests(*groups: str) -> Callable[[type[Conformance]], type[Conformance]]:
    """A decorator that gives a class one test for each check of the groups."""

    def give(cls: type[Conformance]) -> type[Conformance]:
        own = tuple(one for group in groups for one in GROUPS[group])
        cls.checks = (*cls.checks, *own)
        for one in own:
            test = _test_of(one)
            test.__qualname__ = f"{cls.__name__}.{test.__name__}"
            setattr(cls, test.__name__, test)
        return cls

    return give


@_tests("plugin")
class PluginConformance(Conformance):
    """The checks that hold for every plugin (PLG)."""


@_tests("source")
class SourceConformance(PluginConformance):
    """The checks of a source (PLG, SRC)."""

    kind = "source"


@_tests("stream")
class StreamConformance(PluginConformance):
    """The checks of what a source pushes (PLG, STR); its answers have a class of their own."""

    kind = "source"


@_tests("cache")
class CacheConformance(PluginConformance):
    """The checks of a cache (PLG, CCH)."""

    kind = "cache"


@_tests("balancer")
class BalancerConformance(PluginConformance):
    """The checks of a balancer (PLG, BAL)."""

    kind = "balancer"


@_tests("authenticator")
class AuthenticatorConformance(PluginConformance):
    """The checks of an authenticator (PLG, ATH)."""

    kind = "authenticator"


@_tests("alerter")
class AlerterConformance(PluginConformance):
    """The checks of an alerter (PLG, ALR)."""

    kind = "alerter"
