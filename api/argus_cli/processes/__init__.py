"""One agent that holds every session, edges that answer, and a supervisor that answers nothing."""
