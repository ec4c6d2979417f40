"""What the server writes to stderr, free of secrets."""

from __future__ import annotations

import logging
import re
from typing import Any

_NAMED = re.compile(
    r"(?i)\b((?:\w*[-_])?(?:key|token|secret|password|passwd|authorization)|apikey)=[^&\s\"]+"
)


class QuerySecrets(logging.Filter):
    """Masks what somebody put into a URL although it never belongs there."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: the record passes, masked."""
        record.msg = _NAMED.sub(r"\1=***", record.getMessage())
        record.args = None
        return True


def configuration(
    known_secrets: logging.Filter, *, access_log: bool, process: str = ""
) -> dict[str, Any]:
    """A logging configuration for ``dictConfig``; every line passes both filters.

    ``process`` stands in each line where there are several. uvicorn's own news (started, shutting
    down …) is left out: the command line tells it better.
    """
    who = f" [{process}]" if process else ""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "known": {"()": lambda: known_secrets},
            "named": {"()": QuerySecrets},
        },
        "formatters": {"line": {"format": f"%(asctime)s %(levelname)s{who} %(name)s: %(message)s"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["known", "named"],
            }
        },
        "loggers": {
            "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
            "uvicorn.access": {
                "handlers": ["stderr"],
                "level": "INFO" if access_log else "CRITICAL",
                "propagate": False,
            },
            "argus": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
    }
