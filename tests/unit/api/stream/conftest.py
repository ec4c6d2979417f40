"""A running server over a source that pushes."""

import functools

import pytest
from support.listening import served


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """A function that starts a server, as an async context."""
    return functools.partial(served, tmp_path, monkeypatch)


@pytest.fixture
async def house(serve):
    """A server over one source, open to everybody."""
    async with serve() as running:
        yield running
