"""A plugin that breaks one demand, and which."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from broken.subjects import module_subject, subject

from argus_core.testing import Subject


@dataclass(frozen=True)
class Twin:
    """``cls`` breaks ``check``; ``also`` are others of the group that cannot but fail with it."""

    check: str
    cls: Any
    also: frozenset[str] = frozenset()
    options: dict[str, Any] = field(default_factory=dict)
    alone: bool = False
    """True if only its own check meets it, because it is so slow."""

    entry: str = ""
    """The name under which the test has to install it."""

    def subject(self) -> Subject:
        if self.entry:
            names = {"plugin": self.entry, "module": self.cls.__module__}
            return subject(self.cls, **names, **self.options)
        if isinstance(self.cls, str):
            return module_subject(self.cls)
        return subject(self.cls, **self.options)

    def __str__(self) -> str:
        return f"{self.check}-{getattr(self.cls, '__name__', self.cls)}"
