"""From what sources push, or are asked for again and again, to everybody who listens."""
