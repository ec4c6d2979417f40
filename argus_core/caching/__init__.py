"""Answers kept while they are fresh, and fetches shared."""
