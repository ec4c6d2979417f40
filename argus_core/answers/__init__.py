"""From a query to an answer: caches, then one shared flight, then the route."""

from argus_core.answers.answers import Answers
from argus_core.answers.shelf import Shelf

__all__ = ["Answers", "Shelf"]
