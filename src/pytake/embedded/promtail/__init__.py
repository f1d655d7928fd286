"""Embedded Promtail."""
