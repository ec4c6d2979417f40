"""From a query to a node that answers it."""
