"""The vocabulary: symbols, queries, records, answers."""
