"""Embedded Jaeger."""
