"""Where the relative paths in a plugin's table start."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel


def placed(settings: BaseModel, directory: Path) -> BaseModel:
    """The same settings, each relative path that is a value of its own starting at a directory."""
    paths = {name: directory / value for name, value in settings if isinstance(value, Path)}
    return settings.model_copy(update=paths) if paths else settings
