"""The entry of a worker's process; the gateway starts it, nobody else needs to."""

from __future__ import annotations

from argus_core.routing.workers.child import main

if __name__ == "__main__":
    main()
