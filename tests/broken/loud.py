"""A plugin that says hello when it is imported, as some vendors' packages do."""

from argus_core import Cache

print("welcome to the data service")  # noqa: T201 - that is what is wrong with it


class Loud(Cache):
    """Nothing else."""
