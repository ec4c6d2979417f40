"""How many calls are made at once, who waits for a place, and how often a call is made twice."""
