"""Metrics, traces, logs and health: what every other package reports through."""
