"""What the tests of run-time changes share."""

import pytest
from support.distribution import install
from support.peers import PLUGIN


@pytest.fixture
def peer(tmp_path, monkeypatch):
    """The module of an installed plugin whose sources tell what is open."""
    root = tmp_path / "site"
    root.mkdir()
    install(root, monkeypatch, dist="peer-dist", module="peer_module", source=PLUGIN, entry="peer")
    import peer_module

    return peer_module
