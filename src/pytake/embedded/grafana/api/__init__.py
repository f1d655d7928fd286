"""Endpoints of Grafana's HTTP API, a module a subject."""
