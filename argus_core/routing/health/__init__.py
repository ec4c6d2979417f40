"""Whether a node may be asked: cool-downs, breaker, checks, and what a pool may do without."""
