"""What the supervisor starts: an agent or an edge; the first line on stdin says which."""

from argus_cli.processes.child import main

main()
