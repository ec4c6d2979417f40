"""The conformance kit: numbered checks that put a plugin to the proof.

Subclass one of the classes in a test file and name the plugin; or run ``pytest --argus NAME``, or
``argus plugin test NAME``.
"""

from argus_core.testing.check import Check, Failed, Skipped
from argus_core.testing.checks import GROUPS, checks_of
from argus_core.testing.document import document
from argus_core.testing.find import Found, find
from argus_core.testing.report import Report, Row
from argus_core.testing.run import run, run_check
from argus_core.testing.subject import Fault, Subject
from argus_core.testing.suites import (
    AlerterConformance,
    AuthenticatorConformance,
    BalancerConformance,
    CacheConformance,
    PluginConformance,
    SourceConformance,
    StreamConformance,
)

__all__ = [
    "GROUPS",
    "AlerterConformance",
    "AuthenticatorConformance",
    "BalancerConformance",
    "CacheConformance",
    "Check",
    "Failed",
    "Fault",
    "Found",
    "PluginConformance",
    "Report",
    "Row",
    "Skipped",
    "SourceConformance",
    "StreamConformance",
    "Subject",
    "checks_of",
    "document",
    "find",
    "run",
    "run_check",
]
