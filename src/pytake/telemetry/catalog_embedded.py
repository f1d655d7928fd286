"""Metrics of the embedded servers, under the names that the real Loki, Promtail, Jaeger and Grafana use.

Dashboards and alerts written for the real servers work on the embedded ones through these. Each server's block is kept
by its package; see :mod:`pytake.telemetry.catalog` for the product's own metrics.
"""
