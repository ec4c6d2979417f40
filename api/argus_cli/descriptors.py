"""Room for many connections: each takes a file descriptor."""

from __future__ import annotations

import contextlib
import sys


def raise_limit() -> int | None:
    """The descriptors that this process may have from now on: as many as it may ask for.

    None where the system has no such limit (Windows).
    """
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Where "no limit" is more than the kernel takes, the present one stays.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
