"""``pytest --argus NAME``, known to every pytest of the environment.

pytest loads this in projects that have nothing to do with Argus, so it imports nothing of it until
the option is used; that is why it is a package of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--argus`` and what may go with it."""
    group = parser.getgroup("argus")
    group.addoption(
        "--argus",
        metavar="NAME",
        help="run the conformance checks of an installed Argus plugin, and no other test",
    )
    group.addoption(
        "--argus-config",
        metavar="FILE",
        type=Path,
        help="take the plugin's settings from the first table of FILE that names it",
    )
    group.addoption("--argus-symbols", metavar="A,B", help="symbols that the plugin's vendor knows")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> bool | None:
    """True if the option is used: the checks are all there is then."""
    if session.config.getoption("argus") is None:
        return None
    from argus_core.testing.pytest_plugin import collect  # noqa: PLC0415 - only when it is used

    collect(session)
    return True
