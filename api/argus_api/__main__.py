"""``python -m argus_api`` equals ``argus serve``."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from argus_cli import main

    sys.argv[1:1] = ["serve"]
    main()
