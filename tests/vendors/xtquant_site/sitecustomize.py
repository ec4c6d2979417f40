"""Serves ``xtquant.datacenter`` from the stand-in wherever this folder leads PYTHONPATH.

Only the one missing binary module is replaced; the rest of xtquant is the shipped package,
whether or not its ``__init__.py`` was run.
"""

import importlib.abc
import importlib.machinery
import sys
from pathlib import Path

TESTS = str(Path(__file__).resolve().parents[2])


class NativeStandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads the one module."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "xtquant.datacenter":
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin="stand-in")

    def create_module(self, spec):
        """None: an ordinary new module."""

    def exec_module(self, module):
        if TESTS not in sys.path:
            sys.path.append(TESTS)
        from vendors import xtquant_native

        module.__dict__.update(
            {name: value for name, value in vars(xtquant_native).items() if name[0] != "_"}
        )


sys.meta_path.insert(0, NativeStandIn())
