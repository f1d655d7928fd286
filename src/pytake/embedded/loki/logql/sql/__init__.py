"""Pipelines and range aggregations as SQL over the store's relations."""
