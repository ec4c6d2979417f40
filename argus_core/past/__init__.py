"""Bars and factors out of the archive."""

from argus_core.past.past import Past

__all__ = ["Past"]
