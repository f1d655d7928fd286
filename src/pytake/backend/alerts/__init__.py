"""Alerts that Alertmanager's webhook brings."""
