"""Embedded Grafana."""
