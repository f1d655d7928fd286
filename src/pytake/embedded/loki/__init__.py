"""Embedded Loki."""
