"""Embedded servers that speak the APIs of Loki, Promtail, Jaeger and Grafana."""
