"""``python -m argus_cli`` is ``argus``."""

from argus_cli import main

main()
