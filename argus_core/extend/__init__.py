"""The base classes that plugins subclass."""
